import type { AuthsecError, ErrorCode } from '../core/errors.js'
import type { Clock } from './clock.js'
import { repeatRefusal } from './refusal.js'

interface Denial {
  error: AuthsecError
  /** How long it holds, and until when by the monotonic clock. */
  heldFor: number
  until: number
}

const REMEMBERED: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'access_denied',
  'invalid_scope',
  'invalid_target',
  'unauthorized_client',
])
const CAPACITY = 500
const LEAST_MS = 30_000
const MOST_MS = 300_000

/**
 * What the server has refused, so that an agent that asks in a loop does not ask the server: for 30 s, twice as long
 * each time it is refused again, 5 minutes at most. The least recently refused goes first.
 */
export class Denials {
  readonly #clock: Clock
  readonly #denials = new Map<string, Denial>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** How many hold now. */
  get size(): number {
    const now = this.#clock.monotonic()
    return [...this.#denials.values()].filter(({ until }) => now < until).length
  }

  /** Throws what was refused, with the same code, as long as it is remembered. */
  assertNone(key: string): void {
    const denial = this.#denials.get(key)
    const left = denial === undefined ? 0 : denial.until - this.#clock.monotonic()
    if (denial !== undefined && left > 0) throw repeatRefusal(denial.error, left)
  }

  /** Remembers a refusal of this key where its code is one that time alone does not mend; how long, or undefined. */
  note(key: string, error: AuthsecError): number | undefined {
    return REMEMBERED.has(error.code) ? this.#keep(key, error, LEAST_MS) : undefined
  }

  /** Remembers that whoever a token was asked for is no longer accepted. */
  noteDead(key: string, error: AuthsecError, heldFor: number = MOST_MS): void {
    this.#keep(key, error, heldFor)
  }

  forget(key: string): void {
    this.#denials.delete(key)
  }

  /** Forgets all keys that begin like this; all of them for an empty text. */
  forgetGroup(prefix: string): void {
    for (const key of this.#denials.keys()) {
      if (key.startsWith(prefix)) this.#denials.delete(key)
    }
  }

  #keep(key: string, error: AuthsecError, least: number): number {
    const before = this.#denials.get(key)
    const heldFor = before === undefined ? least : Math.min(before.heldFor * 2, MOST_MS)
    this.#denials.delete(key)
    this.#denials.set(key, { error, heldFor, until: this.#clock.monotonic() + heldFor })
    const [oldest] = this.#denials.keys()
    if (this.#denials.size > CAPACITY && oldest !== undefined) this.#denials.delete(oldest)
    return heldFor
  }
}
