import type { Command } from '@commander-js/extra-typings'
import { type AuditPage, type AuditQuery, MAX_AUDIT_PAGE, readAudit } from '../../../api/audit.js'
import {
  type AuditFilter,
  formatAuditFilter,
  matchesAuditFilter,
  parseAuditFilter,
} from '../../../core/audit-filter.js'
import { formatDuration } from '../../../core/duration.js'
import { AuthsecError } from '../../../core/errors.js'
import { parseTime } from '../../../core/time.js'
import { addAuditFlags, readFilter } from '../../audit-flags.js'
import { type FollowOptions, type FollowStep, followAudit } from '../../audit-follow.js'
import { createAuditPrinter } from '../../audit-printer.js'
import { type Connection, openConnection } from '../../connection.js'
import type { Clock, Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags, parseSeconds, parseWholeNumber } from '../../flags.js'
import { describe } from '../../help.js'

interface TailRequest {
  filter: AuditFilter
  /** Where to begin: after this event, at this time, or with the newest so many. */
  cursor: number | undefined
  since: string | undefined
  lines: number | undefined
  follow: boolean
  forSeconds: number | undefined
  untilMatch: AuditFilter | undefined
  /** The words that go on where this run ends, but for the cursor. */
  resume: readonly string[]
}

const DEFAULT_LINES = 10
/** How long the server may hold an answer back, in seconds. */
const WAIT_SECONDS = 25

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
      ['authsec audit tail --no-follow --json', 'the last ten events as JSON Lines'],
    ],
    exits: [0, 2, 4, 5, 6, 7, 8, ...SERVER_EXITS, 130, 143],
    seeAlso: ['authsec audit search'],
  })
    .option(
      '-n, --lines <n>',
      `how many to begin with: ${DEFAULT_LINES}, or none with --until-match`,
      parseWholeNumber(0, MAX_AUDIT_PAGE),
    )
    .option('--since <time>', 'begin at this time: RFC 3339, epoch seconds or an age such as 15m', readTime)
    .option('--cursor <seq>', 'begin after this event', parseWholeNumber(0, Number.MAX_SAFE_INTEGER))
    .option('--no-follow', 'end after what there is')
    .option('--for <duration>', 'end after so long', parseSeconds)
    .option('--until-match <expr>', 'end at the first event that fits', readExpression)
    .option('--json', 'print JSON Lines, each with a type', false)
  addConnectionFlags(addAuditFlags(command, now)).action(async (flags) => {
    const connection = await openConnection(context, flags)
    const filter = await readFilter(connection, flags)
    await tail(context, connection, {
      filter,
      cursor: flags.cursor,
      since: flags.since,
      lines: flags.lines,
      follow: flags.follow,
      forSeconds: flags.for,
      untilMatch: flags.untilMatch,
      resume: listResumeWords(filter, flags),
    })
  })

  function readTime(text: string): string {
    return new Date(parseTime(text, now())).toISOString()
  }

  function readExpression(text: string): AuditFilter {
    return parseAuditFilter(text, now())
  }
}

async function tail(
  { io, clock, random, signal }: Context,
  { target }: Connection,
  request: TailRequest,
): Promise<void> {
  const { filter, untilMatch } = request
  const deadline = startDeadline(clock, request.forSeconds)
  const ending = AbortSignal.any([signal, deadline.signal])
  const read = (query: Omit<AuditQuery, 'filter'>) =>
    readAudit({ ...target, fetch: endFetchWith(target.fetch, ending) }, { filter, ...query })
  const printer = await createAuditPrinter(io, request.resume)
  let next: number | undefined
  try {
    for await (const step of readSteps(read, request, { clock, random, signal: ending })) {
      if (step.type === 'reconnecting') printer.reconnecting(step.failure)
      else if (step.type === 'reconnected') printer.reconnected()
      else {
        const { entries } = step.page
        for (const entry of entries) {
          printer.entry(entry)
          next = entry.seq
          if (untilMatch && matchesAuditFilter(entry.event, untilMatch)) return
        }
        next = step.page.next
        if (entries.length === 0 && request.follow) printer.heartbeat(next)
        await io.flush()
      }
    }
  } catch (error) {
    // Time that ran out is a failure only where something was waited for.
    if (!AuthsecError.is(error, 'pending') || untilMatch !== undefined) throw error
  } finally {
    deadline.stop()
    const isRead = !AuthsecError.is(signal.reason, 'output_closed')
    if (request.follow && next !== undefined && isRead) printer.end(next)
  }
}

type Read = (query: Omit<AuditQuery, 'filter'>) => Promise<AuditPage>

async function* readSteps(
  read: Read,
  { cursor, since, lines, follow, untilMatch }: TailRequest,
  options: Pick<FollowOptions, 'clock' | 'random' | 'signal'>,
): AsyncGenerator<FollowStep> {
  const count = lines ?? (untilMatch === undefined ? DEFAULT_LINES : 0)
  let page: AuditPage
  if (cursor !== undefined) page = await read({ after: cursor, limit: MAX_AUDIT_PAGE })
  else if (since !== undefined) page = await read({ since, limit: MAX_AUDIT_PAGE, last: lines })
  else page = await readNewest(read, count)
  yield { type: 'page', page }

  if (follow) {
    yield* followAudit({
      ...options,
      // As long as nothing was found, nothing but the time says where to begin.
      read: (after) =>
        read({
          after,
          limit: MAX_AUDIT_PAGE,
          waitSeconds: WAIT_SECONDS,
          since: after < 0 ? since : undefined,
        }),
      after: page.next,
    })
  }
  const isPlaced = cursor !== undefined || since !== undefined
  while (isPlaced && page.entries.length === MAX_AUDIT_PAGE) {
    page = await read({ after: page.next, limit: MAX_AUDIT_PAGE })
    yield { type: 'page', page }
  }
}

// Where the log ends now has to be known even when nothing of it is wanted.
async function readNewest(read: Read, count: number): Promise<AuditPage> {
  const page = await read({ last: Math.max(1, count) })
  return count === 0 ? { ...page, entries: [] } : page
}

interface Deadline {
  signal: AbortSignal
  stop: () => void
}

function startDeadline(clock: Clock, seconds: number | undefined): Deadline {
  const deadline = new AbortController()
  const stopping = new AbortController()
  if (seconds !== undefined) {
    const over = new AuthsecError('pending', `it did not happen within ${formatDuration(seconds)}`)
    clock.sleep(seconds * 1000, stopping.signal).then(
      () => deadline.abort(over),
      () => {},
    )
  }
  return { signal: deadline.signal, stop: () => stopping.abort() }
}

function endFetchWith(fetch: typeof globalThis.fetch, ending: AbortSignal): typeof globalThis.fetch {
  return (input, init) => {
    const signal = init?.signal ? AbortSignal.any([init.signal, ending]) : ending
    return fetch(input, { ...init, signal })
  }
}

function listResumeWords(
  filter: AuditFilter,
  flags: {
    untilMatch?: AuditFilter | undefined
    server?: string | undefined
    profile?: string | undefined
    json: boolean
  },
): string[] {
  const words = ['authsec', 'audit', 'tail']
  if (filter.length > 0) words.push('--filter', formatAuditFilter(filter))
  if (flags.untilMatch) words.push('--until-match', formatAuditFilter(flags.untilMatch))
  if (flags.server !== undefined) words.push('--server', flags.server)
  if (flags.profile !== undefined) words.push('--profile', flags.profile)
  if (flags.json) words.push('--json')
  return words
}
