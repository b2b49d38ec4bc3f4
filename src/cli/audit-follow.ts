import type { AuditCursor, AuditStreamStep } from '../api/audit-stream.js'
import type { AuditEvent } from '../core/audit-record.js'
import { AuthsecError } from '../core/errors.js'
import type { Clock } from './context.js'

/** An event with its place in the log; those of AuthSec's logs have none. */
export interface TimelineEntry {
  seq: number | null
  event: AuditEvent
}

/** What happens while a log is followed. */
export type FollowStep =
  | Exclude<AuditStreamStep, { type: 'event' }>
  | { type: 'event'; entry: TimelineEntry }
  /** Everything up to there has been read. */
  | { type: 'place'; cursor: AuditCursor }
  | { type: 'reconnecting'; failure: AuthsecError }
  | { type: 'reconnected' }

export interface FollowOptions {
  /** Opens a stream of what comes behind a cursor. */
  connect: (cursor: AuditCursor) => AsyncIterable<AuditStreamStep[]>
  /**
   * Holds the log against what was seen of it, and read up to the cursor, before each connection after the first: it may
   * be another one by then.
   */
  greet: (cursor: AuditCursor) => Promise<unknown>
  cursor: AuditCursor
  clock: Clock
  random: () => number
  /** Ends the following; its reason is thrown. */
  signal: AbortSignal
}

const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 10_000

/**
 * Follows a log from a cursor on, without loss or repetition. An outage is told once; in it the pauses double up to
 * ten seconds, each with jitter. What no retry can mend is thrown.
 */
export async function* followAudit(options: FollowOptions): AsyncGenerator<FollowStep[], never> {
  const { connect, greet, clock, random, signal } = options
  let { cursor } = options
  let failures = 0
  for (;;) {
    try {
      if (failures > 0) await greet(cursor)
      for await (const steps of connect(cursor)) {
        const isBack = failures > 0
        failures = 0
        const news: FollowStep[] = isBack ? [{ type: 'reconnected' }] : []
        for (const step of steps) {
          // What has been seen is not told again, whatever the server sends.
          if (step.type === 'event' && step.entry.seq <= cursor.after) continue
          cursor = moveOn(cursor, step)
          news.push(step)
        }
        yield news
      }
      signal.throwIfAborted()
      throw new AuthsecError('network', 'the server has ended the stream')
    } catch (error) {
      signal.throwIfAborted()
      if (!AuthsecError.is(error) || !error.retryable) throw error
      if (failures === 0) yield [{ type: 'reconnecting', failure: error }]
      const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures) * (0.5 + random() / 2)
      failures++
      await clock.sleep(Math.max(pause, error.retryAfterMs ?? 0), signal)
    }
  }
}

/** Where the log has been read up to after a step. */
export function moveOn(cursor: AuditCursor, step: FollowStep): AuditCursor {
  const { log } = cursor
  switch (step.type) {
    case 'event': {
      const { seq, event } = step.entry
      return seq === null ? cursor : { after: seq, log, id: event.id }
    }
    case 'heartbeat':
    case 'place': {
      const furthest = step.cursor.after < cursor.after ? cursor : step.cursor
      const known = step.cursor.after === cursor.after ? cursor.id : undefined
      return { ...furthest, log: step.cursor.log ?? log, id: furthest.id ?? known }
    }
    case 'gap':
      return { after: step.gap.after, log: step.gap.log }
    default:
      return cursor
  }
}
