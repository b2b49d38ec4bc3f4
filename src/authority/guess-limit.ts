import { AuthsecError } from '../core/errors.js'

/** Stops whoever guesses: after a number of misses within a time, everything is refused until the time is over. */
export interface GuessLimit {
  /** Throws `rate_limited` when this guesser has missed too often. */
  assertMayGuess(guesser: string): void
  miss(guesser: string): void
}

export interface GuessLimitOptions {
  clock: () => number
  misses: number
  windowMs: number
}

// Beyond this many guessers at once the oldest is forgotten.
const MAX_GUESSERS = 10_000

export function createGuessLimit({ clock, misses, windowMs }: GuessLimitOptions): GuessLimit {
  const guessers = new Map<string, { count: number; until: number }>()
  const findCurrent = (guesser: string) => {
    const known = guessers.get(guesser)
    if (known === undefined || known.until > clock()) return known
    guessers.delete(guesser)
    return undefined
  }

  return {
    assertMayGuess(guesser) {
      const known = findCurrent(guesser)
      if (known === undefined || known.count < misses) return
      throw new AuthsecError('rate_limited', 'too many wrong codes were tried', {
        hint: 'Wait, then ask the device for a new code.',
        retryAfterMs: known.until - clock(),
      })
    },
    miss(guesser) {
      const known = findCurrent(guesser)
      if (known !== undefined) {
        known.count++
        return
      }
      if (guessers.size >= MAX_GUESSERS) guessers.delete(guessers.keys().next().value as string)
      guessers.set(guesser, { count: 1, until: clock() + windowMs })
    },
  }
}
