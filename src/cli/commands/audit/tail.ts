import type { Command } from '@commander-js/extra-typings'
import { MAX_AUDIT_PAGE } from '../../../api/audit.js'
import type { AuditCursor } from '../../../api/audit-stream.js'
import { anySignal } from '../../../core/any-signal.js'
import {
  type AuditFilter,
  formatAuditFilter,
  matchesAuditFilter,
  parseAuditFilter,
} from '../../../core/audit-filter.js'
import { AuthsecError } from '../../../core/errors.js'
import { parseTime } from '../../../core/time.js'
import { type CursorFile, openCursorFile, parseCursor } from '../../audit-cursor.js'
import { addAuditFlags, readFilter } from '../../audit-flags.js'
import { type FollowStep, moveOn, type TimelineEntry } from '../../audit-follow.js'
import { type LineFile, openLineFile } from '../../audit-output.js'
import { type AuditPrinter, createAuditPrinter, type TailLine } from '../../audit-printer.js'
import { readAnyLog } from '../../audit-source.js'
import { assertPlace, type TailStart } from '../../audit-tailing.js'
import { type Connection, type ConnectionFlags, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { startDeadline } from '../../deadline.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags, parseSeconds, parseWholeNumber } from '../../flags.js'
import { describe } from '../../help.js'
import { greetLog } from '../../log-contact.js'

/** What happens in the log, and at the end of following it where it was left. */
export type Output = TailLine

interface TailFlags extends ConnectionFlags {
  lines?: number | undefined
  since?: string | undefined
  cursor?: AuditCursor | undefined
  cursorFile?: string | undefined
  outputFile?: string | undefined
  follow: boolean
  for?: number | undefined
  untilMatch?: AuditFilter | undefined
  json: boolean
}

const DEFAULT_LINES = 10

export function addTail(parent: Command, context: Context): void {
  const { now } = context.clock
  const command = describe(parent.command('tail'), {
    summary: 'follow the audit log',
    details:
      'Prints the newest events and then each new one, until Ctrl-C; a lost connection is taken up again ' +
      'without loss or repetition. At the end it says how to go on from there.',
    examples: [
      ['authsec audit tail', 'the last ten events and everything new'],
      ['authsec audit tail --outcome deny', 'refusals only'],
      [
        'authsec audit tail -n 0 --until-match type=token.exchanged --for 30s',
        'wait in a script: 0 when it happened, 8 when it did not',
      ],
      [
        'authsec audit tail --json --cursor-file tail.cursor --output-file audit.jsonl',
        'keep a copy that goes on where it was left, even by a crash',
      ],
    ],
    exits: [0, 2, 4, 5, 6, 7, 8, 16, 18, 19, ...SERVER_EXITS, 130, 143],
    seeAlso: ['authsec audit search', 'authsec help filters'],
  })
    .option(
      '-n, --lines <n>',
      `how many to begin with: ${DEFAULT_LINES}, or none with --until-match`,
      parseWholeNumber(0, MAX_AUDIT_PAGE),
    )
    .option('--since <time>', 'begin at this time: RFC 3339, epoch seconds or an age such as 15m', readTime)
    .option('--cursor <cursor>', 'begin behind this place, as an earlier run printed it', parseCursor)
    .option('--cursor-file <file>', 'begin behind the place in this file, if there is one, and keep it there')
    .option('--output-file <file>', 'append the events to a file instead of printing them')
    .option('--no-follow', 'end after what there is')
    .option('--for <duration>', 'end after so long', parseSeconds)
    .option('--until-match <expr>', 'end at the first event that fits', readExpression)
    .option('--json', 'print JSON Lines, each with a kind', false)
  addConnectionFlags(addAuditFlags(command, now)).action(async (flags) => {
    const connection = await openConnection(context, flags)
    const filter = await readFilter(connection, flags)
    const contact = await greetLog(context, connection.target)
    const file = flags.outputFile === undefined ? undefined : await openLineFile(flags.outputFile)
    try {
      await tail(context, connection, flags, { filter, file, log: contact?.checkpoint.origin })
    } finally {
      await file?.close()
    }
  })

  function readTime(text: string): string {
    return new Date(parseTime(text, now())).toISOString()
  }

  function readExpression(text: string): AuditFilter {
    return parseAuditFilter(text, now())
  }
}

async function tail(
  context: Context,
  connection: Connection,
  flags: TailFlags,
  { filter, file, log }: { filter: AuditFilter; file: LineFile | undefined; log: string | undefined },
): Promise<void> {
  const { io, clock, random, signal } = context
  const { follow, untilMatch } = flags
  const deadline = startDeadline(clock, flags.for)
  const ending = anySignal([signal, deadline.signal])
  const target = { ...connection.target, fetch: endFetchWith(connection.target.fetch, ending) }
  const cursors = flags.cursorFile === undefined ? undefined : openCursorFile(flags.cursorFile)
  const start = await findStart(flags, cursors, file)
  const resume = (cursor: string) => listResumeWords(filter, flags, cursor)
  const printer = await createAuditPrinter(io, { resume, file })
  const progress = createProgress({ printer, cursors, untilMatch, cursor: start.cursor })
  const isRead = () => !AuthsecError.is(signal.reason, 'output_closed')
  const greet = async (cursor: AuditCursor) => {
    await greetLog({ ...context, signal: ending }, target)
    await assertPlace(target, cursor)
  }
  const options = { filter, start, follow, log, greet, clock, random, signal: ending }
  try {
    for await (const steps of readAnyLog(io, { ...connection, target }, options)) {
      if (await progress.take(steps)) return
    }
    if (untilMatch !== undefined) throw new AuthsecError('pending', 'nothing that there is fits')
  } catch (error) {
    // Time that ran out is a failure only where something was waited for.
    if (!AuthsecError.is(error, 'pending') || untilMatch !== undefined) throw error
  } finally {
    deadline.stop()
    if (follow && isRead() && progress.hasBegun()) progress.end()
  }
}

interface Progress {
  /**
   * Tells what has come, and keeps where the log has been read up to once all of it is where it goes; whether it was what
   * is waited for, behind which nothing is told any more.
   */
  take(steps: readonly FollowStep[]): Promise<boolean>
  /** Whether anything has come. */
  hasBegun(): boolean
  end(): void
}

function createProgress({
  printer,
  cursors,
  untilMatch,
  cursor: start,
}: {
  printer: AuditPrinter
  cursors: CursorFile | undefined
  untilMatch: AuditFilter | undefined
  cursor: AuditCursor | undefined
}): Progress {
  let cursor = start
  let hasBegun = start !== undefined

  async function keep(): Promise<void> {
    await printer.flush()
    if (cursor !== undefined) await cursors?.keep(cursor)
  }

  return {
    hasBegun: () => hasBegun,
    async take(steps) {
      let isFound = false
      for (const step of steps) {
        hasBegun = true
        printer.tell(step)
        const isPlaced = step.type !== 'event' || step.entry.seq !== null
        if (isPlaced) cursor = moveOn(cursor ?? { after: -1, log: undefined }, step)
        // The numbers of what is written behind a gap are those of the place that is kept, and not of an earlier log.
        if (step.type === 'gap') await keep()
        isFound = step.type === 'event' && matches(step.entry, untilMatch)
        if (isFound) break
      }
      await keep()
      return isFound
    },
    end: () => printer.end(cursor),
  }
}

function matches({ event }: TimelineEntry, wanted: AuditFilter | undefined): boolean {
  return wanted !== undefined && matchesAuditFilter(event, wanted)
}

/** The place in a file wins over the newest; what the file of the events has beyond it has been written already. */
async function findStart(
  { cursor, since, lines, untilMatch }: TailFlags,
  cursors: CursorFile | undefined,
  file: LineFile | undefined,
): Promise<TailStart> {
  const kept = cursor ?? (await cursors?.read())
  const written = cursors && readSeq(file?.lastLine)
  // What was read at the one is not at the other.
  const start =
    kept && written !== undefined && written > kept.after ? { after: written, log: kept.log } : kept
  const isPlaced = start !== undefined || since !== undefined
  const newest = untilMatch === undefined ? DEFAULT_LINES : 0
  return { cursor: start, since, lines: lines ?? (isPlaced ? undefined : newest) }
}

// Of a line that an earlier run has written, in either form; a gap has none.
function readSeq(line: string | undefined): number | undefined {
  const [, seq] = /^(?:\{"kind":"event","seq":)?(\d{1,15})[,\t]/.exec(line ?? '') ?? []
  return seq === undefined ? undefined : Number(seq)
}

function endFetchWith(fetch: typeof globalThis.fetch, ending: AbortSignal): typeof globalThis.fetch {
  return (input, init) => {
    const signal = init?.signal ? anySignal([init.signal, ending]) : ending
    return fetch(input, { ...init, signal })
  }
}

function listResumeWords(filter: AuditFilter, flags: TailFlags, cursor: string): string[] {
  const { untilMatch, server, profile, json, cursorFile, outputFile } = flags
  const words = ['authsec', 'audit', 'tail']
  if (filter.length > 0) words.push('--filter', formatAuditFilter(filter))
  if (untilMatch) words.push('--until-match', formatAuditFilter(untilMatch))
  if (server !== undefined) words.push('--server', server)
  if (profile !== undefined) words.push('--profile', profile)
  if (json) words.push('--json')
  if (outputFile !== undefined) words.push('--output-file', outputFile)
  // The file knows the place itself.
  return [...words, ...(cursorFile === undefined ? ['--cursor', cursor] : ['--cursor-file', cursorFile])]
}
