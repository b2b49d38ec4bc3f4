import { type AuditFilter, formatAuditFilter } from '../core/audit-filter.js'
import type { AuditEntry } from '../core/audit-record.js'
import { isKeyName } from '../core/checkpoint.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { Json } from '../core/strict-json.js'
import { readShape } from './answer.js'
import { readAuditEntry } from './audit.js'
import { readEventStream } from './event-stream.js'
import { type ApiTarget, openStream } from './http.js'
import { readRefusal } from './refusal.js'

/** A place in a log: behind a sequence number of the log with this origin, where that is known. */
export interface AuditCursor {
  after: number
  log: string | undefined
  /** Of the event that has this number, where it is known: in another history of the log it is another one. */
  id?: string | undefined
}

/** What the server says of a cursor that it cannot serve, and where it goes on. */
export interface AuditGap extends AuditCursor {
  /**
   * `other_log`: the cursor is of another log; `ahead`: it is behind the end of this one; `pruned`: what came behind it is
   * gone.
   */
  reason: string
  asked: number
}

/** What comes over the stream; `heartbeat` says up to where everything has been looked at. */
export type AuditStreamStep =
  | { type: 'event'; entry: AuditEntry }
  | { type: 'heartbeat'; cursor: AuditCursor }
  | { type: 'gap'; gap: AuditGap }

/** Three heartbeats of the server. */
const SILENCE_MS = 45_000

/**
 * Follows the log of a server from a place on, until the connection ends: those steps together that come together.
 * Throws `not_found` where there is no such stream, and `server_error`, behind what comes before it, for a record that
 * the server cannot read.
 */
export async function* streamAudit(
  target: ApiTarget,
  { after, log }: AuditCursor,
  filter: AuditFilter,
): AsyncGenerator<AuditStreamStep[]> {
  const chunks = openStream(
    target,
    {
      method: 'GET',
      path: '/audit/events/stream',
      session: 'required',
      query: { after, log, filter: filter.length === 0 ? undefined : formatAuditFilter(filter) },
    },
    { contentType: 'text/event-stream', silenceMs: SILENCE_MS },
  )
  for await (const messages of readEventStream(chunks)) {
    const failure = messages.find(({ event }) => event === 'failure')
    const told = failure === undefined ? messages : messages.slice(0, messages.indexOf(failure))
    yield told.flatMap(({ event, data }) => readStep(event, parse(data)) ?? [])
    if (failure !== undefined) throw readFailure(target, parse(failure.data))
  }
}

// What a newer server may have besides is not for this reader.
function readStep(event: string, body: Json): AuditStreamStep | undefined {
  if (event === 'event') return { type: 'event', entry: readAuditEntry(body) }
  if (event === 'heartbeat') {
    const shape = { next: 'number', log: 'text', id: 'text?' } as const
    const { next, log, id } = readShape(body, shape, 'heartbeat')
    return { type: 'heartbeat', cursor: { after: next, log: assertLog(log), id } }
  }
  if (event === 'gap') {
    const shape = { reason: 'text', asked: 'number', next: 'number', log: 'text' } as const
    const { reason, asked, next, log } = readShape(body, shape, 'gap')
    return { type: 'gap', gap: { reason, asked, after: next, log: assertLog(log) } }
  }
  return undefined
}

// The server would say the same again.
function readFailure({ session }: ApiTarget, body: Json): AuthsecError {
  const sent = session === undefined ? [] : [session]
  const { code, message, hint } = readRefusal(new Response(null, { status: 500 }), body, sent)
  return new AuthsecError(code, message, { hint, retryable: false })
}

// It goes into the command that goes on.
function assertLog(log: string | undefined): string | undefined {
  if (log === undefined || isKeyName(log)) return log
  throw new AuthsecError('server_error', `${quote(log)} in the stream is not the name of a log`, {
    retryable: false,
  })
}

function parse(text: string): Json {
  try {
    return JSON.parse(text)
  } catch {
    throw new AuthsecError('server_error', 'the stream of the audit log holds what is not JSON', {
      retryable: false,
    })
  }
}
