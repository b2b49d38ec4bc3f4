import { AuthsecError } from '../core/errors.js'
import type { Store } from '../store/store.js'
import { hashHandle } from './approvals.js'

/** Stops whoever guesses: after a number of misses within a time, everything is refused until the time is over. */
export interface GuessLimit {
  /** Throws `rate_limited` when this guesser has missed too often. */
  assertMayGuess(guesser: string): Promise<void>
  miss(guesser: string): Promise<void>
}

export interface GuessLimitOptions {
  store: Store
  clock: () => number
  misses: number
  windowMs: number
}

/** Counts in the store, so that it makes no difference which of several servers is asked. */
export function createGuessLimit({ store, clock, misses, windowMs }: GuessLimitOptions): GuessLimit {
  return {
    async assertMayGuess(guesser) {
      const now = clock()
      const known = await store.guesses.find(hashHandle(guesser), now)
      if (known === undefined || known.count < misses) return
      throw new AuthsecError('rate_limited', 'too many wrong codes were tried', {
        hint: 'Wait, then ask the device for a new code.',
        retryAfterMs: known.until - now,
      })
    },
    miss(guesser) {
      const now = clock()
      return store.write(({ guesses }) => guesses.miss(hashHandle(guesser), now + windowMs, now))
    },
  }
}
