import type { AuditPage } from '../api/audit.js'
import { AuthsecError } from '../core/errors.js'
import type { Clock } from './context.js'

/** What happens while a log is followed. */
export type FollowStep =
  | { type: 'page'; page: AuditPage }
  | { type: 'reconnecting'; failure: AuthsecError }
  | { type: 'reconnected' }

export interface FollowOptions {
  /** Asks for what comes after a sequence number; the answer may be held back until there is something. */
  read: (after: number) => Promise<AuditPage>
  after: number
  clock: Clock
  random: () => number
  /** Ends the following; its reason is thrown. */
  signal: AbortSignal
}

const FIRST_PAUSE_MS = 500
const LONGEST_PAUSE_MS = 10_000

/**
 * Follows a log from a sequence number on, without loss or repetition. An outage is told once; in it the pauses
 * double up to ten seconds, each with jitter. What no retry can mend is thrown.
 */
export async function* followAudit(options: FollowOptions): AsyncGenerator<FollowStep, never> {
  const { read, clock, random, signal } = options
  let { after } = options
  let failures = 0
  for (;;) {
    signal.throwIfAborted()
    try {
      const page = await read(after)
      if (failures > 0) yield { type: 'reconnected' }
      failures = 0
      after = page.next
      yield { type: 'page', page }
    } catch (error) {
      signal.throwIfAborted()
      if (!AuthsecError.is(error) || !error.retryable) throw error
      if (failures === 0) yield { type: 'reconnecting', failure: error }
      const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures) * (0.5 + random() / 2)
      failures++
      await clock.sleep(Math.max(pause, error.retryAfterMs ?? 0), signal)
    }
  }
}
