import { formatDuration } from '../core/duration.js'
import { AuthsecError } from '../core/errors.js'
import type { Clock } from './context.js'

/** A time that runs out. */
export interface Deadline {
  /** Aborted with `pending` when it has. */
  signal: AbortSignal
  stop: () => void
}

/** Starts one; without seconds it never runs out. */
export function startDeadline(clock: Clock, seconds: number | undefined): Deadline {
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
