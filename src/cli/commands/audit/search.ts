import type { Command } from '@commander-js/extra-typings'
import { type AuditQuery, MAX_AUDIT_PAGE, readNewestEvents } from '../../../api/audit.js'
import { addAuditFlags, addTimeFlags, readFilter } from '../../audit-flags.js'
import { formatEntry } from '../../audit-text.js'
import { type Connection, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags, parseWholeNumber } from '../../flags.js'
import { describe } from '../../help.js'
import { greetLog } from '../../log-contact.js'

const DEFAULT_LIMIT = 100

export function addSearch(parent: Command, context: Context): void {
  const { now } = context.clock
  const command = describe(parent.command('search'), {
    summary: 'search the audit log',
    details: 'Prints the newest events that match, oldest of them first.',
    examples: [
      ['authsec audit search --outcome deny --since 1h', 'what was refused in the last hour'],
      ['authsec audit search --client demo-agent --type token.exchanged --json', 'the tokens of one agent'],
    ],
    exits: [0, 2, 4, 5, 6, 7, ...SERVER_EXITS],
    seeAlso: ['authsec audit tail'],
  })
    .option('--limit <n>', 'how many at most', parseWholeNumber(1, MAX_AUDIT_PAGE), DEFAULT_LIMIT)
    .option('--json', 'print a JSON array', false)
  addConnectionFlags(addAuditFlags(addTimeFlags(command, now), now)).action(async (flags) => {
    const { since, until, limit, json } = flags
    const connection = await openConnection(context, flags)
    const filter = await readFilter(connection, flags)
    await greetLog(context, connection.target)
    await search(context, connection, { filter, since, until, last: limit }, json)
  })
}

async function search(
  { io }: Context,
  { target }: Connection,
  query: AuditQuery & { last: number },
  json: boolean,
): Promise<void> {
  const entries = await readNewestEvents(target, query)
  if (json) {
    io.json(entries)
    return
  }
  if (entries.length === 0) {
    io.note('no events')
    return
  }
  const style = await io.style()
  for (const entry of entries) io.line(formatEntry(entry, style, io.isTerminal))
  if (entries.length === query.last) {
    io.note(`the newest ${entries.length}; there may be more: see --since, --until and --limit`)
  }
}
