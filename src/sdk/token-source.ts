import { AuthsecError } from '../core/errors.js'
import type { Clock } from './clock.js'
import { createDelegationToken, type DelegationToken } from './delegation-token.js'
import { Denials } from './denials.js'
import type { AuthsecEvent } from './events.js'
import type { Grant } from './grant.js'
import { remaining } from './lifetime.js'
import { isDenial } from './refusal.js'
import { type FlightRun, SingleFlight } from './single-flight.js'
import { type StoredToken, TokenCache } from './token-cache.js'

/** A token with what is known of it. */
export interface IssuedToken {
  readonly grant: Grant
  readonly token: DelegationToken
}

/** Fetches one token from the server. */
export type Ask = (signal: AbortSignal) => Promise<Grant>

export interface TokenSourceOptions {
  readonly clock: Clock
  /** How many tokens are kept. */
  readonly capacity: number
  /** Tokens that live shorter are handed to those who wait and not kept, in milliseconds. */
  readonly leastLength: number
  /** How long after an attempt that brought nothing new the next refresh may follow, in milliseconds. */
  readonly refreshGap: number
  readonly emit: (event: AuthsecEvent) => void
  /** Of which group a key is and how many tokens of it are kept; of no group by default. */
  readonly groupOf?: (key: string) => { prefix: string; most: number } | undefined
  /** A token was kept, in place of another or of none. */
  readonly onKept?: (grant: Grant) => void
  /** The server refused to renew a token that was kept; it is dropped. */
  readonly onDenied?: (grant: Grant) => void
}

export interface ObtainOptions {
  readonly minValidityMs: number
  readonly forceRefresh: boolean
  readonly signal: AbortSignal | undefined
}

const LEAST_STALE_LIFE_MS = 1_000

/**
 * The tokens of one kind: those that are kept, those that are being fetched, and the decision between the two.
 * A key is fetched once however many ask, a good token is never waited for, and an expired one never leaves.
 */
export class TokenSource {
  /** What was refused: to one asker by the key of a token and `#` and the asker's name. */
  readonly denials: Denials
  readonly #options: TokenSourceOptions
  readonly #cache: TokenCache
  readonly #flights = new SingleFlight<IssuedToken>()
  readonly #grants = new WeakMap<DelegationToken, Grant>()
  readonly #keys = new WeakMap<Grant, string>()
  readonly #invalidated = new WeakSet<Grant>()
  /** The last token that an API rejected, by its jti. */
  #rejected: string | undefined
  #fetches = 0
  #lone = 0

  constructor(options: TokenSourceOptions) {
    this.#options = options
    this.denials = new Denials(options.clock)
    this.#cache = new TokenCache(options.clock, options.capacity)
  }

  /** What is kept, under way, and has been done so far. */
  stats(): { entries: number; evictions: number; underWay: number; fetches: number; denials: number } {
    const { size: entries, evictions } = this.#cache
    const { size: denials } = this.denials
    return { entries, evictions, underWay: this.#flights.size, fetches: this.#fetches, denials }
  }

  /**
   * The kept token of a key, when it is good for that long. One that is getting old (`isAging`) is still returned, and
   * `renew` fetches its successor meanwhile.
   */
  look(key: string, minValidityMs: number): StoredToken | undefined {
    const stored = this.#cache.find(key)
    if (stored === undefined) return undefined
    const { lifetime } = stored.grant
    const left = remaining(lifetime, this.#options.clock)
    // Written so that a NaN is not good enough.
    if (!(left > lifetime.hard && left > minValidityMs)) {
      if (left <= 0) this.#cache.delete(key)
      return undefined
    }
    stored.isAging = left <= lifetime.soft
    return stored
  }

  /** Fetches the successor of a kept token, for nobody; `askAgain` names how, unless it is too early for that. */
  renew(key: string, stored: StoredToken, askAgain: () => Ask | undefined, asker = ''): void {
    const { clock, refreshGap, emit } = this.#options
    if (clock.monotonic() < stored.refreshAfter) return
    const ask = askAgain()
    if (ask === undefined) return
    this.#flights.launch(`${key}#${asker}`, this.#fetch(key, ask, asker))?.catch((error: unknown) => {
      const failure = AuthsecError.is(error) ? error : new AuthsecError('internal', 'the refresh failed')
      const { code, message, retryAfterMs = 0 } = failure
      stored.refreshAfter = clock.monotonic() + Math.max(refreshGap, retryAfterMs)
      if (code !== 'closed') emit({ type: 'token.refresh_failed', jti: stored.grant.jti, code, message })
    })
  }

  /**
   * Fetches the token of a key, together with everyone else who wants it now. What different askers get is kept in one
   * place, but they share no question: what is refused to one is not refused to the other.
   */
  async obtain(key: string, ask: Ask, options: ObtainOptions, asker = ''): Promise<IssuedToken> {
    const { minValidityMs, forceRefresh, signal } = options
    const { clock } = this.#options
    const question = `${key}#${asker}`
    const kept = this.#cache.peek(key)
    if (kept !== undefined) assertReachable(minValidityMs, kept.grant)
    // Whoever forces a refresh knows that something has changed.
    if (!forceRefresh) this.denials.assertNone(question)
    try {
      const issued = await this.#flights.join(question, this.#fetch(key, ask, asker), {
        signal,
        fresh: forceRefresh,
        outlivesCallers: () => this.#cache.peek(key) !== undefined,
      })
      if (remaining(issued.grant.lifetime, clock) <= minValidityMs) throw tooShort(minValidityMs)
      return issued
    } catch (error) {
      return this.serveStale(error, key, options)
    }
  }

  /** The kept token of a key where a new one cannot be had for now and it is still good; throws the error otherwise. */
  serveStale(error: unknown, key: string, { minValidityMs, forceRefresh }: ObtainOptions): IssuedToken {
    const { clock, emit } = this.#options
    // An outage does not take away what is still good; a refusal does.
    const stale = this.#cache.peek(key)
    if (stale === undefined || forceRefresh || !AuthsecError.is(error) || !error.retryable) throw error
    const least = Math.max(LEAST_STALE_LIFE_MS, minValidityMs)
    if (remaining(stale.grant.lifetime, clock) <= least) throw error
    emit({ type: 'token.stale_served', jti: stale.grant.jti, code: error.code })
    return stale
  }

  /** Fetches a token for this caller alone: it is not kept, and no other caller gets it. */
  async obtainAlone(key: string, ask: Ask, options: ObtainOptions, asker = ''): Promise<IssuedToken> {
    const { signal, minValidityMs, forceRefresh } = options
    const question = `${key}#${asker}`
    if (!forceRefresh) this.denials.assertNone(question)
    const run: FlightRun<IssuedToken> = async (flight) => {
      const grant = await this.#askServer(question, () => ask(flight))
      return { grant, token: this.#issue(key, grant, false) }
    }
    const issued = await this.#flights.join(`${question}#${++this.#lone}`, run, { signal })
    if (remaining(issued.grant.lifetime, this.#options.clock) <= minValidityMs) throw tooShort(minValidityMs)
    return issued
  }

  /** Drops the token of a key; what is being fetched for it still reaches those who wait, and is not kept. */
  forget(key: string): void {
    this.#cache.delete(key)
    this.#flights.forgetGroup(`${key}#`)
    this.denials.forgetGroup(`${key}#`)
  }

  /** How many milliseconds ago a token was asked for; undefined for one that is not from here. */
  ageOf(token: DelegationToken): number | undefined {
    const lifetime = this.#grants.get(token)?.lifetime
    return lifetime && this.#options.clock.monotonic() - lifetime.monotonicEnd + lifetime.length
  }

  /** Lets a kept token answer another key from now on. */
  move(from: string, to: string): void {
    const stored = this.#cache.peek(from)
    if (stored === undefined || from === to) return
    this.#cache.delete(from)
    this.#cache.keep(to, stored, this.#options.groupOf?.(to))
    this.#keys.set(stored.grant, to)
  }

  /** Drops everything whose key begins like this. With a reason, whoever waits for such a token gets that. */
  forgetGroup(prefix: string, reason?: AuthsecError): void {
    this.#cache.deleteGroup(prefix)
    this.#flights.forgetGroup(prefix, reason)
    this.denials.forgetGroup(prefix)
  }

  /**
   * Drops a token that turned out to be bad. One that was replaced or dropped before is left alone, so that
   * fifty parallel failures of one token cost one new token; and so is one that was fetched again after that and was
   * the same, for as long as a refresh would wait. Returns whether anything was dropped.
   */
  invalidate(token: DelegationToken): boolean {
    const grant = this.#grants.get(token)
    const key = grant && this.#keys.get(grant)
    if (grant === undefined || key === undefined || this.#invalidated.has(grant)) return false
    const { jti } = grant
    const stored = this.#cache.peek(key)
    const isTooEarly = jti === this.#rejected && this.#options.clock.monotonic() < (stored?.refreshAfter ?? 0)
    if (isTooEarly || (stored !== undefined && stored.grant.jti !== jti)) return false
    this.#invalidated.add(grant)
    this.#rejected = jti
    this.forget(key)
    return true
  }

  /** Stops everything; those who wait get the reason. */
  close(reason: AuthsecError): void {
    this.#flights.close(reason)
    this.#cache.clear()
  }

  #fetch(key: string, ask: Ask, asker: string): FlightRun<IssuedToken> {
    return async (signal, isCurrent) => {
      const before = this.#cache.peek(key)
      try {
        const grant = await this.#askServer(`${key}#${asker}`, () => ask(signal), isCurrent)
        if (isCurrent()) this.#keep(key, grant)
        return { grant, token: this.#issue(key, grant, false) }
      } catch (error) {
        // What the server refuses now is no longer handed out either, however good it still looks; what another asker
        // was given meanwhile is.
        if (isDenial(error) && isCurrent() && this.#cache.peek(key) === before) this.#dropDenied(key)
        throw error
      }
    }
  }

  async #askServer(question: string, ask: () => Promise<Grant>, isCurrent = () => true): Promise<Grant> {
    try {
      const grant = await ask()
      this.#fetches++
      this.denials.forget(question)
      return grant
    } catch (error) {
      const forMs = isDenial(error) && isCurrent() ? this.denials.note(question, error) : undefined
      if (isDenial(error) && forMs !== undefined) {
        const { code, auditId } = error
        this.#options.emit({ type: 'denial.remembered', code, auditId, forMs })
      }
      throw error
    }
  }

  #dropDenied(key: string): void {
    const stored = this.#cache.peek(key)
    this.#cache.delete(key)
    if (stored !== undefined) this.#options.onDenied?.(stored.grant)
  }

  #keep(key: string, grant: Grant): void {
    const { clock, leastLength, refreshGap, groupOf, onKept } = this.#options
    if (grant.lifetime.length < leastLength) return
    const previous = this.#cache.peek(key)?.grant.jti ?? this.#rejected
    // The same token once more: there is no newer one yet, so do not ask on every call.
    const refreshAfter = previous === grant.jti ? clock.monotonic() + refreshGap : 0
    const token = this.#issue(key, grant, true)
    const answer = Promise.resolve(token)
    this.#cache.keep(key, { grant, token, answer, isAging: false, refreshAfter }, groupOf?.(key))
    onKept?.(grant)
  }

  #issue(key: string, grant: Grant, fromCache: boolean): DelegationToken {
    const token = createDelegationToken(grant, fromCache)
    this.#grants.set(token, grant)
    this.#keys.set(grant, key)
    return token
  }
}

function assertReachable(minValidityMs: number, { lifetime }: Grant): void {
  if (minValidityMs > lifetime.length - 1_000) throw tooShort(minValidityMs)
}

function tooShort(minValidityMs: number): AuthsecError {
  return new AuthsecError('request_invalid', `no token here is good for ${minValidityMs} ms`, {
    hint: 'Ask for a smaller minValidityMs, or for a longer ttlSeconds.',
  })
}
