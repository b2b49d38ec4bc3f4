import { SERVER_ITSELF } from '../authority/audit/log.js'
import type { Authority } from '../authority/authority.js'
import { assertMembers, readChoice } from '../core/option-checks.js'
import { pause } from '../sdk/http.js'
import type { User } from '../store/store.js'
import type { TestClock } from './test-clock.js'

const TARGETS = ['metadata', 'keys', 'pull', 'token', 'introspect', 'consume', 'receipt'] as const

/**
 * Which requests a fault meets; all of them by default. The last three are those of an API: whether a token is alive,
 * whether it was used, and that it was.
 */
export type FaultTarget = (typeof TARGETS)[number]

export interface FaultOptions {
  /** Which requests; all by default. */
  on?: FaultTarget
  /** How many of them, 1 by default. `Infinity`: until `clear()`. */
  times?: number
}

/** What goes wrong between a client and the server, and at the server, when a test says so. */
export interface Faults {
  /** Answers 429, with `Retry-After` in seconds (1 by default). */
  rateLimit(options?: FaultOptions & { retryAfter?: number }): void
  /** Answers with a status and no JSON, 503 by default. */
  fail(options?: FaultOptions & { status?: number }): void
  /** Refuses the connection. */
  disconnect(options?: FaultOptions): void
  /**
   * Sends the request on late, by the test's clock: nothing is waited for until it moves. Clients and verifiers of the
   * test give up by the same clock, and whoever else asks by the signal of the request; then it is not sent.
   */
  delay(ms: number, options?: FaultOptions): void
  /** Lets the server's clock go ahead of everybody else's by so many milliseconds, or behind. */
  skew(ms: number): void
  /**
   * Lets another key sign call tokens from now on; the old one is still published, and what it signed is still
   * accepted.
   */
  rotateKey(): Promise<void>
  /**
   * Takes the key that signs call tokens out of use at once: what it signed is accepted by nobody who has learned that.
   */
  withdrawKey(): Promise<void>
  /** Ends all faults, the skew included. */
  clear(): void
}

interface Fault extends FaultOptions {
  times: number
  meet: (send: () => Promise<Response>, signal: AbortSignal) => Promise<Response>
}

/** The faults of a test server, and what a request meets on its way to it. */
export interface FaultyWay {
  readonly faults: Faults
  /** In milliseconds. */
  readonly skew: number
  pass(request: Request, send: (request: Request) => Promise<Response>): Promise<Response>
}

export function createFaultyWay(
  clock: TestClock,
  find: () => { authority: Authority; admin: User },
): FaultyWay {
  const planned = new Set<Fault>()
  let skew = 0

  const plan = (options: FaultOptions = {}, meet: Fault['meet']) => {
    assertMembers('the options of a fault', options, { on: 1, times: 1 })
    const { on, times = 1 } = options
    if (on !== undefined) readChoice('on', on, TARGETS)
    planned.add({ ...(on && { on }), times, meet })
  }
  const condemn = async (to: 'tainted' | 'revoked') => {
    const { authority, admin } = find()
    const signing = (await authority.keys.list()).filter(
      ({ purpose, state }) => purpose === 'call' && state === 'active',
    )
    for (const { kid } of signing) await authority.keys.condemn(kid, to, admin, SERVER_ITSELF)
  }

  return {
    get skew() {
      return skew
    },
    async pass(request, send) {
      const target = targetOf(new URL(request.url))
      for (const fault of planned) {
        if (fault.on !== undefined && fault.on !== target) continue
        if (--fault.times <= 0) planned.delete(fault)
        return fault.meet(() => send(request), request.signal)
      }
      return send(request)
    },
    faults: {
      rateLimit({ retryAfter = 1, ...options } = {}) {
        const headers = { 'retry-after': String(retryAfter) }
        plan(options, async () => Response.json({ error: 'rate_limited' }, { status: 429, headers }))
      },
      fail({ status = 503, ...options } = {}) {
        plan(options, async () => new Response('something is broken', { status }))
      },
      disconnect(options) {
        plan(options, async () => {
          const cause = Object.assign(new Error('connection refused'), { code: 'ECONNREFUSED' })
          throw new TypeError('fetch failed', { cause })
        })
      },
      delay(ms, options) {
        plan(options, async (send, signal) => {
          await pause(clock, ms, signal)
          return send()
        })
      },
      skew(ms) {
        skew = ms
      },
      rotateKey: () => condemn('tainted'),
      withdrawKey: () => condemn('revoked'),
      clear() {
        planned.clear()
        skew = 0
      },
    },
  }
}

const ENDPOINTS = new Map<string, FaultTarget>([
  ['/oauth/token', 'token'],
  ['/oauth/introspect', 'introspect'],
  ['/oauth/consume', 'consume'],
  ['/audit/use', 'receipt'],
])

function targetOf({ pathname }: URL): FaultTarget | undefined {
  if (pathname.startsWith('/.well-known/')) return 'metadata'
  if (pathname.endsWith('/jwks')) return 'keys'
  if (pathname.endsWith('/sdk/delegation-token')) return 'pull'
  return ENDPOINTS.get(pathname)
}
