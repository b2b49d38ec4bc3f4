import { AuthsecError } from '../core/errors.js'
import type { BaseTokens } from './base-tokens.js'
import { createKeyOfRequest, formatCheckedKey, formatParties } from './call-key.js'
import type { ClientContext } from './client-context.js'
import type { Metadata } from './discovery.js'
import { subjectOfBase } from './exchange.js'
import type { Exchanger } from './exchanger.js'
import type { Grant } from './grant.js'
import { type CallRequest, isForOneCall, type RequestMembers, readRequest } from './request.js'
import { SUBJECT_KEY_MARK } from './subjects.js'
import type { StoredToken } from './token-cache.js'
import { type Ask, type IssuedToken, type ObtainOptions, TokenSource } from './token-source.js'

const EXCHANGE_GAP_MS = 1_000
const LEAST_LENGTH_MS = 5_000
// Shorter than for a user's token: nobody tells us when a delegation was granted again.
const BASE_DEAD_MS = 30_000

/** The call tokens that were made from the current base token, and the one cache of all call tokens. */
export class CallTokens {
  readonly source: TokenSource
  readonly #context: ClientContext
  readonly #bases: BaseTokens
  readonly #exchanger: Exchanger
  readonly #keyOf = createKeyOfRequest()
  #parties: string | undefined
  #partiesSeen = 0
  #keyPrefix: string | undefined

  constructor(context: ClientContext, bases: BaseTokens, exchanger: Exchanger) {
    this.#context = context
    this.#bases = bases
    this.#exchanger = exchanger
    this.source = new TokenSource({
      clock: context.options.clock,
      capacity: context.options.cache.capacity,
      leastLength: LEAST_LENGTH_MS,
      refreshGap: EXCHANGE_GAP_MS,
      emit: context.emit,
      groupOf: (key) => {
        if (!key.startsWith(SUBJECT_KEY_MARK)) return undefined
        return { prefix: key.slice(0, key.indexOf('|') + 1), most: context.options.cache.perSubject }
      },
    })
  }

  /** The kept token of a request that has not been checked: one that is not well formed finds nothing. */
  look(request: RequestMembers, mayRefresh: boolean): StoredToken | undefined {
    const key = this.#keyPrefix === undefined ? undefined : this.#keyOf(this.#keyPrefix, request)
    if (key === undefined) return undefined
    const { minValidityMs = 0 } = request
    const kept = this.source.look(key, minValidityMs)
    if (kept?.isAging && mayRefresh) this.#renew(key, kept, request)
    return kept
  }

  /**
   * The call token of a request, made from the base token where it is not kept; undefined where none can be had.
   * Rejects as `exchangeToken`, `pullBaseToken` and `readMetadata` throw.
   */
  async obtain(
    call: CallRequest,
    options: ObtainOptions,
    deadline: number,
  ): Promise<IssuedToken | undefined> {
    const { signal, minValidityMs, forceRefresh } = options
    if (this.#context.options.transport === 'pull') return undefined
    const forBase = { signal, minValidityMs: 0, forceRefresh: false }
    let refusedBase: string | undefined
    for (;;) {
      const [metadata, base] = await Promise.all([
        this.#context.discovery.read(signal, deadline),
        this.#bases.obtain(forBase, deadline),
      ])
      const tokenEndpoint = this.#exchanger.findEndpoint(metadata, call)
      if (tokenEndpoint === undefined) return undefined

      const key = formatCheckedKey(this.#prefixFor(metadata, base.grant), call)
      const ask = this.#ask(tokenEndpoint, base.grant, call, deadline)
      if (!forceRefresh && refusedBase === undefined) {
        this.source.denials.assertNone(formatBaseKey(base.grant.jti))
      }
      try {
        if (isForOneCall(call)) return await this.source.obtainAlone(key, ask, options)
        const kept = forceRefresh ? undefined : this.source.look(key, minValidityMs)
        return kept ?? (await this.source.obtain(key, ask, options))
      } catch (error) {
        // The base token was revoked or replaced, and is dropped. A new one may be there; asking twice is enough.
        if (!AuthsecError.is(error, 'invalid_grant')) throw error
        const { jti } = base.grant
        if (refusedBase === jti) this.source.denials.noteDead(formatBaseKey(jti), error, BASE_DEAD_MS)
        if (refusedBase !== undefined) throw error
        refusedBase = jti
      }
    }
  }

  /** Drops everything that was made from the base token, which is no longer the current one. */
  forgetBase(): void {
    // Who waits asks once more, with the new one.
    const reason = new AuthsecError('invalid_grant', 'the base token was replaced meanwhile')
    if (this.#keyPrefix !== undefined) this.source.forgetGroup(this.#keyPrefix, reason)
    this.#keyPrefix = undefined
  }

  close(reason: AuthsecError): void {
    this.source.close(reason)
    this.#keyPrefix = undefined
  }

  #ask(tokenEndpoint: string, base: Grant, call: CallRequest, deadline: number): Ask {
    return async (signal) => {
      try {
        return await this.#exchanger.exchange(tokenEndpoint, subjectOfBase(base), call, { signal, deadline })
      } catch (error) {
        if (AuthsecError.is(error, 'invalid_grant')) this.#bases.drop(base)
        throw error
      }
    }
  }

  // On its own, because a function that is made anywhere in `look` would cost each call of it.
  #renew(key: string, kept: StoredToken, request: RequestMembers): void {
    this.source.renew(key, kept, () => this.#askAgain(request))
  }

  #askAgain(request: RequestMembers): Ask | undefined {
    const { call } = readRequest(request)
    const base = this.#bases.look(0, true)
    const tokenEndpoint = this.#context.discovery.known?.tokenEndpoint
    if (call === undefined || base === undefined || tokenEndpoint === undefined) return undefined
    return this.#ask(tokenEndpoint, base.grant, call, this.#context.newDeadline())
  }

  // What the keys of two base tokens must not share, spelled out once and then stood for by a number: the whole of
  // it in front of every key would be more than half the work of a cache hit.
  #prefixFor({ issuer, tenant }: Metadata, base: Grant): string {
    const { clientId } = this.#context.options
    const parties = formatParties([issuer, tenant, clientId, base.jti, base.userId])
    if (parties !== this.#parties) {
      this.#parties = parties
      this.#partiesSeen++
    }
    const prefix = `${this.#partiesSeen}|`
    if (this.#bases.current?.jti === base.jti) this.#keyPrefix = prefix
    return prefix
  }
}

function formatBaseKey(jti: string): string {
  return `base|${jti}`
}
