import { networkOf } from '../core/network.js'

/**
 * What is limited together: the requests of one address to any endpoint of a kind share one allowance. To `ask` is to
 * start a device or CIBA login, `poll` to wait for it in AuthSec's form, `activate` to answer it; `session` is
 * whatever needs one, `foreign` what is turned away at the gate.
 */
export type RateLimit =
  | 'login'
  | 'token'
  | 'register'
  | 'introspect'
  | 'revoke'
  | 'consume'
  | 'verify'
  | 'pull'
  | 'ask'
  | 'poll'
  | 'activate'
  | 'session'
  | 'foreign'

/** How many requests of a kind one address may send in a minute. */
export type RateLimits = Readonly<Partial<Record<RateLimit, number>>>

/** The name of a set of allowances. */
export type RateLimitsName = 'off' | 'authsec' | 'shared'

/** The allowances that a server knows by name. */
export const RATE_LIMITS: Readonly<Record<RateLimitsName, RateLimits>> = {
  /** A developer's own machine has no stranger to hold back. */
  off: {},
  /** AuthSec's own, as its published server has them: the numbers that are known, and no others. */
  authsec: { login: 5, token: 30, register: 10, introspect: 60 },
  /** Of a server that a team shares: guesses are slow, agents are not. */
  shared: {
    login: 10,
    token: 1_200,
    register: 10,
    introspect: 2_400,
    revoke: 600,
    consume: 2_400,
    verify: 600,
    pull: 600,
    ask: 60,
    poll: 600,
    activate: 60,
    session: 2_400,
    foreign: 60,
  },
}

/** A request beyond an allowance. */
export interface Excess {
  retryAfterMs: number
  /** The first of a row of them: the others are not worth a record each. */
  isFirst: boolean
}

export interface RateLimiter {
  /** Counts a request; tells when it is one too many. */
  count(limit: RateLimit, address: string): Excess | undefined
}

/** What an address has left, when it was last counted, and whether it has been told. */
interface Bucket {
  left: number
  at: number
  isRefused: boolean
}

// A flood from many addresses forgets the oldest of them instead of growing.
const MAX_BUCKETS = 10_000

/** Allowances that fill up again steadily, kept in this process; `clock` in milliseconds. */
export function createRateLimiter(limits: RateLimits, clock: () => number): RateLimiter {
  const buckets = new Map<string, Bucket>()
  return {
    count(limit, address) {
      const perMinute = limits[limit]
      if (perMinute === undefined) return undefined
      const key = `${limit} ${networkOf(address)}`
      const now = clock()
      const known = buckets.get(key)
      // A clock that steps back gives nothing and takes nothing.
      const elapsed = known === undefined ? 0 : Math.max(0, now - known.at)
      const left = Math.min(perMinute, (known?.left ?? perMinute) + (elapsed * perMinute) / 60_000)
      const isRefused = left < 1

      buckets.delete(key)
      if (buckets.size >= MAX_BUCKETS) buckets.delete(buckets.keys().next().value as string)
      buckets.set(key, { left: isRefused ? left : left - 1, at: now, isRefused })
      if (!isRefused) return undefined
      const seconds = Math.ceil(((1 - left) * 60) / perMinute)
      return { retryAfterMs: seconds * 1000, isFirst: known?.isRefused !== true }
    },
  }
}
