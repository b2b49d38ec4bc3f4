import type { AuditFollower } from '../../authority/audit/feed.js'
import type { Provenance } from '../../authority/audit/log.js'
import { assertAdmin } from '../../authority/sessions.js'
import type { AuditFilter } from '../../core/audit-filter.js'
import { AuthsecError } from '../../core/errors.js'
import type { StoredRecord } from '../../store/store.js'
import { readBearer } from '../caller.js'
import type { Endpoint } from '../endpoint.js'
import { readQueryInteger, readQueryString } from '../fields.js'
import { createProblem } from '../problem.js'
import { joinSignals } from '../signals.js'
import { CONDITIONS, findEventId, formatRecord, readFilter } from './events.js'

/** How long nothing may be said; proxies cut what is silent for a minute. */
const HEARTBEAT_MS = 15_000
/** How long a reader goes on after its session has ended. */
const RECHECK_MS = 5_000

/**
 * Events as they happen, as server-sent events (WHATWG HTML §9.2): `event` for each that fits, with its sequence
 * number as the id, `heartbeat` with the number that everything has been looked at up to and the id of that event, `gap`
 * where what the caller has seen last is not what comes before, and `failure` at the end where the next record is
 * damaged: `{error, details, code}`. An end without it is one after which the caller may connect again.
 */
export const eventStream: Endpoint<'admin'> = {
  method: 'GET',
  paths: ['/audit/events/stream'],
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'Follow the audit log as server-sent events',
  speaks: 'authsec',
  query: [...CONDITIONS, 'after', 'log'],
  event: 'audit.read',
  errors: 'authsec',

  async handle(request, { authority, caller, stopping, provenance, reportLate }) {
    const { audit, auditFeed, auditReads, identity, sessions, clock } = authority
    const query = new URL(request.url).searchParams
    const filter = readFilter(query, clock())
    const asked = readCursor(request, query)
    const head = await audit.head()
    const first = await audit.first()
    const start = findStart(asked, readQueryString(query, 'log'), { first, head, log: identity.logId })
    const token = readBearer(request)
    const stream = createStream(auditFeed.follow(), {
      ...start,
      filter,
      log: identity.logId,
      stopping,
      clock,
      onRecords: (records) => auditReads.note(caller, { filter }, records, provenance),
      describeFailure: async (error) => formatFailure(await reportLate(error), provenance),
      findId: (seq) => findEventId(audit, seq),
      isAllowed: () =>
        sessions
          .resume(token)
          .then(assertAdmin)
          .then(
            () => true,
            () => false,
          ),
    })
    return new Response(stream, {
      headers: {
        'content-type': 'text/event-stream',
        'x-accel-buffering': 'no',
      },
    })
  },
}

interface StreamOptions {
  after: number
  gap: object | undefined
  filter: AuditFilter
  log: string
  stopping: AbortSignal
  clock: () => number
  onRecords(records: readonly StoredRecord[]): void
  /** What is told of a failure before the stream ends; nothing where the reader is to connect again. */
  describeFailure(error: unknown): Promise<string | undefined>
  /** The id of the event at a place, where there is one that can be read. */
  findId(seq: number): Promise<string | undefined>
  /** Whether the reader may still read: a session may end, or be cut, while its holder listens. */
  isAllowed(): Promise<boolean>
}

/**
 * What is written when the reader wants more: a slow one makes nobody else wait, and nothing is kept for it. One that
 * has stopped is cut off by its socket.
 */
function createStream(follower: AuditFollower, options: StreamOptions): ReadableStream<Uint8Array> {
  const { filter, log, stopping, clock, onRecords, describeFailure, findId, isAllowed } = options
  const leaving = new AbortController()
  const utf8 = new TextEncoder()
  let { after, gap } = options
  let isNew = true
  let askedAt = clock()

  async function isStillAllowed(): Promise<boolean> {
    const now = clock()
    if (now >= askedAt && now < askedAt + RECHECK_MS) return true
    askedAt = now
    return isAllowed()
  }

  async function readNext(): Promise<string | undefined> {
    if (isNew) {
      isNew = false
      return `${gap === undefined ? '' : formatFrame('gap', gap)}${await beat()}`
    }
    const waiting = joinSignals([stopping, leaving.signal], HEARTBEAT_MS)
    try {
      const { records, seen } = await follower.read({ after, filter }, waiting.signal)
      if (!(await isStillAllowed())) return undefined
      const frames = formatEvents(records)
      const told = records.slice(0, frames.length)
      // One that is damaged is the first of the next time.
      after = told.length < records.length ? (told.at(-1)?.seq ?? after) : seen
      onRecords(told)
      if (frames.length > 0) return frames.join('')
    } finally {
      waiting.release()
    }
    if (stopping.aborted || leaving.signal.aborted) return undefined
    return beat()
  }

  async function beat(): Promise<string> {
    return formatFrame('heartbeat', { next: after, log, id: await findId(after) })
  }

  return new ReadableStream(
    {
      async pull(controller) {
        let last: string | undefined
        try {
          const text = await readNext()
          if (leaving.signal.aborted) return
          if (text !== undefined) return controller.enqueue(utf8.encode(text))
        } catch (error) {
          last = await describeFailure(error)
          if (leaving.signal.aborted) return
        }
        if (last !== undefined) controller.enqueue(utf8.encode(last))
        follower.close()
        controller.close()
      },
      cancel() {
        leaving.abort()
        follower.close()
      },
    },
    { highWaterMark: 1 },
  )
}

/** Those before the first that is damaged. Throws what is said of that where there are none. */
function formatEvents(records: readonly StoredRecord[]): string[] {
  const frames: string[] = []
  try {
    for (const stored of records) frames.push(formatEvent(stored))
  } catch (error) {
    if (frames.length === 0) throw error
  }
  return frames
}

/** What mends itself is told by the end of the stream alone. */
function formatFailure(error: unknown, { requestId }: Provenance): string | undefined {
  if (!AuthsecError.is(error, 'state_unreadable')) return undefined
  const { message: text } = error
  return formatFrame('failure', createProblem(error, 'authsec', { status: 500, text, requestId }))
}

function formatEvent(stored: StoredRecord): string {
  return `event: event\nid: ${stored.seq}\ndata: ${formatRecord(stored)}\n\n`
}

function formatFrame(event: string, data: object): string {
  return `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`
}

// A browser that connects again says where it was in a header.
function readCursor(request: Request, query: URLSearchParams): number | undefined {
  const named = request.headers.get('last-event-id')
  const cursor = named === null ? query : new URLSearchParams({ after: named })
  return readQueryInteger(cursor, 'after', { min: -1, max: Number.MAX_SAFE_INTEGER })
}

/**
 * Where the stream begins: at the cursor, at the end without one, at the beginning of a log that is another one, and at
 * the first record that is left where those after the cursor have been pruned.
 */
function findStart(
  asked: number | undefined,
  askedLog: string | undefined,
  { first, head, log }: { first: number; head: number; log: string },
): { after: number; gap: object | undefined } {
  if (asked === undefined) return { after: head, gap: undefined }
  const isOther = askedLog !== undefined && askedLog !== log
  const reason = isOther ? 'other_log' : asked > head ? 'ahead' : asked < first - 1 ? 'pruned' : undefined
  if (reason === undefined) return { after: asked, gap: undefined }
  const after = reason === 'ahead' ? head : first - 1
  return { after, gap: { reason, asked, next: after, log } }
}
