import { AuthsecError } from '../core/errors.js'
import { assertMembers } from '../core/option-checks.js'

/**
 * Remembers which one-time tokens were used. Every process that accepts tokens for the same audience has to ask the
 * same store.
 */
export interface ReplayStore {
  /**
   * Remembers a key for at least so many seconds, and tells whether it was new. Of any number of calls with one key at
   * once exactly one may be told so (in Redis: `SET key 1 NX EX ttl`). Throw, or reject, when that cannot be known:
   * then the token is not accepted, and the request is answered 503.
   */
  add(key: string, ttlSeconds: number): boolean | Promise<boolean>
  /** Whether `add` answers at once, so that `verifySync` can ask it; no by default. */
  readonly synchronous?: boolean
}

/** A replay store that answers at once. */
export interface MemoryReplayStore extends ReplayStore {
  add(key: string, ttlSeconds: number): boolean
  readonly synchronous: true
}

export interface MemoryReplayOptions {
  /** That only one process accepts tokens for this audience: another would not know what was used here. */
  singleProcess: true
  /** The most tokens that are remembered at once, 100,000 by default (about 12 MB). Beyond that none is accepted. */
  entries?: number
  /** The time in milliseconds since the epoch. */
  clock?: () => number
}

const DEFAULT_ENTRIES = 100_000

/**
 * A replay store in the memory of this process. A restart forgets: a token used before could then be used once more
 * until it expires. Throws a `TypeError` without `singleProcess`, and `configuration` for members that there are not.
 */
export function createMemoryReplayStore(options: MemoryReplayOptions): MemoryReplayStore {
  const given: Partial<MemoryReplayOptions> = options ?? {}
  assertMembers('the options of a replay store', given, { singleProcess: 1, entries: 1, clock: 1 })
  const { singleProcess, entries = DEFAULT_ENTRIES, clock = Date.now } = given
  if (singleProcess !== true) {
    throw new TypeError('a replay store in memory is for a single process: say so with "singleProcess"')
  }
  if (!Number.isInteger(entries) || entries < 1) {
    throw new TypeError('the option "entries" is not a whole number from 1')
  }
  // A clock that was set ahead and back would forget what is alive again then: a steady one has to agree.
  const readSteady = options.clock ?? (() => performance.now())
  const expiries = new Map<string, { wall: number; steady: number }>()

  // What was remembered first has, give or take a token's life, expired first: it is enough to look at the start, and
  // at everything only before a token would be turned away.
  function forget(now: number, steadyNow: number, all: boolean): void {
    for (const [key, { wall, steady }] of expiries) {
      if (wall <= now && steady <= steadyNow) expiries.delete(key)
      else if (!all) return
    }
  }

  return {
    synchronous: true,
    add(key, ttlSeconds) {
      const [now, steadyNow] = [clock(), readSteady()]
      forget(now, steadyNow, expiries.size >= entries)
      if (expiries.has(key)) return false
      if (expiries.size >= entries) {
        throw new AuthsecError(
          'temporarily_unavailable',
          `${entries} one-time tokens are remembered, and no more`,
        )
      }
      const ms = ttlSeconds * 1000
      expiries.set(key, { wall: now + ms, steady: steadyNow + ms })
      return true
    },
  }
}
