import type { Command } from '@commander-js/extra-typings'
import { readEventsUpTo, recordExport } from '../../../api/audit.js'
import type { AuditFilter } from '../../../core/audit-filter.js'
import { AUDIT_EXPORT_FORMATS } from '../../../core/audit-record.js'
import { AuthsecError } from '../../../core/errors.js'
import { readLogFiles } from '../../../core/log-source.js'
import { createEndCheck } from '../../../core/log-tiles.js'
import { writeBundle } from '../../audit-bundle.js'
import { type AuditFlags, addAuditFlags, addTimeFlags, listTimes, readFilter } from '../../audit-flags.js'
import { EVENT_FORMATS, type EventFormat } from '../../audit-formats.js'
import { type Connection, type ConnectionFlags, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'
import { contactLog, greetLog, openServerLog } from '../../log-contact.js'
import { assertNewPlace, fillNewPlace } from '../../new-place.js'
import { formatCommandLine } from '../../shell-words.js'

/** What was written, and where. */
export type Output = BundleExport | EventsExport

/** With --format bundle. */
interface BundleExport {
  /** Of the log, `authsec/<random log id>`. */
  origin: string
  /** How many records were written: the whole log up to its head. */
  size: number
  /** The key that signed the head, as name+id+key. */
  verifier_key: string
  /** The directory. */
  out: string
}

/** With any other format. */
interface EventsExport {
  format: keyof typeof EVENT_FORMATS
  /** How many events were written. */
  events: number
  /** The place in the log up to which events were looked at, counted from 0. */
  last: number
  /** The file. */
  out: string
}

interface ExportFlags extends ConnectionFlags, AuditFlags {
  format: keyof typeof EVENT_FORMATS | 'bundle'
  since?: string | undefined
  until?: string | undefined
  out?: string | undefined
  includePersonal: boolean
  json: boolean
}

export function addExport(parent: Command, context: Context): void {
  const { now } = context.clock
  const command = describe(parent.command('export'), {
    summary: 'take the audit log along',
    details:
      'Prints events as other programs read them: JSON Lines, CSV, API Activity of OCSF 1.3, or CEF. A bundle is a ' +
      'directory with the signed head, the hashes and every record in the layout of C2SP tlog-tiles: it verifies on ' +
      'another machine with nothing but itself and the key of the log. The server records each export before it begins.',
    examples: [
      ['authsec audit export --format csv --since 24h --out yesterday.csv', 'for a spreadsheet'],
      ['authsec audit export --outcome deny | jq .event.reason', 'what was refused, and why'],
      [
        'authsec audit export --include-personal --outcome deny --out refused.jsonl',
        'and from where they came',
      ],
      [
        'authsec audit export --format bundle --out audit-2026-08',
        'everything up to now, to be verified anywhere',
      ],
    ],
    exits: [0, 2, 4, 5, 6, 7, 16, 18, 19, ...SERVER_EXITS],
    seeAlso: ['authsec audit verify', 'authsec audit search', 'authsec help filters'],
  })
    .addOption(
      parent
        .createOption('--format <format>', 'the form that it takes')
        .choices(AUDIT_EXPORT_FORMATS)
        .default('jsonl' as const),
    )
    .option('--include-personal', 'with the addresses and user agents that are kept beside the log', false)
    .option('--out <path>', 'the file, or the directory of a bundle, where it goes; nothing may be there yet')
    .option('--json', 'print one JSON object about the export', false)
  addConnectionFlags(addAuditFlags(addTimeFlags(command, now), now)).action(async (flags) => {
    assertAgree(flags)
    // Before it is recorded, since nothing is taken along.
    if (flags.out !== undefined) await assertNewPlace(flags.out)
    const connection = await openConnection(context, flags)
    const { format, out } = flags
    if (format !== 'bundle') await exportEvents(context, connection, flags, format)
    else if (out !== undefined) await exportBundle(context, connection, flags, out)
  })
}

function assertAgree({ format, out, json, since, until, includePersonal, ...narrowing }: ExportFlags): void {
  const { filter, type, client, jti, outcome } = narrowing
  const isNarrowed =
    filter.length > 0 || [type, client, jti, outcome, since, until].some((flag) => flag !== undefined)
  if (format === 'bundle' && isNarrowed) {
    throw new AuthsecError('usage', 'a bundle is always the whole log', {
      hint: 'Leave out what narrows it, or choose another --format.',
    })
  }
  if (format === 'bundle' && includePersonal) {
    throw new AuthsecError('usage', 'a bundle is what was signed, and that is nothing personal', {
      hint: 'Leave out --include-personal, or choose another --format.',
    })
  }
  if (out === undefined && (format === 'bundle' || json)) {
    throw new AuthsecError('usage', `${format === 'bundle' ? '--format bundle' : '--json'} needs --out`, {
      hint: 'Name a place where nothing is yet.',
    })
  }
}

async function exportBundle(
  context: Context,
  { target }: Connection,
  { json }: ExportFlags,
  out: string,
): Promise<void> {
  const { io } = context
  await recordExport(target, { format: 'bundle', filter: [] })
  const source = openServerLog(context, target)
  let contact = await contactLog(context, source, target.serverUrl)
  const { origin } = contact.checkpoint
  const readHead = async () => {
    contact = await contactLog(context, source, target.serverUrl)
    if (contact.checkpoint.origin === origin) return contact.checkpoint
    throw new AuthsecError('conflict', `${target.serverUrl} has begun another log meanwhile`, {
      hint: 'Export again: that is the new one.',
    })
  }
  await writeBundle(readLogFiles(source, contact.checkpoint, { readHead, checkEnd: createEndCheck() }), out)
  const { checkpoint, verifierKey } = contact
  const { size } = checkpoint
  if (json) {
    io.json<Output>({ origin, size, verifier_key: verifierKey, out })
    return
  }
  io.note(`${size} records in ${out}`)
  const check = ['authsec', 'audit', 'verify', out, '--key', verifierKey]
  io.note(`check it with: ${formatCommandLine(check)}`)
}

async function exportEvents(
  context: Context,
  connection: Connection,
  flags: ExportFlags,
  format: keyof typeof EVENT_FORMATS,
): Promise<void> {
  const { io } = context
  const { target } = connection
  const filter: AuditFilter = [...(await readFilter(connection, flags)), ...listTimes(flags)]
  await greetLog(context, target)
  const personal = flags.includePersonal
  const last = await recordExport(target, { format, filter, personal })
  const pages = formatPages(readEventsUpTo(target, { filter, last, personal }), EVENT_FORMATS[format])
  const { out } = flags
  const count =
    out === undefined ? await print(context, pages) : await fillNewPlace(out, (path) => save(path, pages))
  if (flags.json && out !== undefined) io.json<Output>({ format, events: count, last, out })
  else io.note(`${count} ${count === 1 ? 'event' : 'events'}${out === undefined ? '' : ` in ${out}`}`)
}

interface TextPage {
  text: string
  events: number
}

async function* formatPages(
  pages: ReturnType<typeof readEventsUpTo>,
  { header, end, format }: EventFormat,
): AsyncGenerator<TextPage> {
  if (header !== undefined) yield { text: `${header}${end}`, events: 0 }
  for await (const entries of pages) {
    yield { text: entries.map((entry) => `${format(entry)}${end}`).join(''), events: entries.length }
  }
}

async function print({ io }: Context, pages: AsyncIterable<TextPage>): Promise<number> {
  let count = 0
  for await (const { text, events } of pages) {
    if (text !== '') io.line(text.slice(0, -1))
    await io.flush()
    count += events
  }
  return count
}

async function save(path: string, pages: AsyncIterable<TextPage>): Promise<number> {
  const { writeDurably } = await import('../../../store/durable-file.js')
  return writeDurably(path, async (file) => {
    let count = 0
    for await (const { text, events } of pages) {
      // Unlike a single write, which a full disk may cut short without a word.
      await file.appendFile(text)
      count += events
    }
    return count
  })
}
