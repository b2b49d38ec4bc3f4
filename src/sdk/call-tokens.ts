import { AuthsecError } from '../core/errors.js'
import type { BaseTokens } from './base-tokens.js'
import type { ClientContext } from './client-context.js'
import { type Metadata, readMetadata } from './discovery.js'
import { exchangeToken } from './exchange.js'
import { createExchangeSlots, type ExchangeSlots } from './exchange-slots.js'
import type { Grant } from './grant.js'
import {
  type CallRequest,
  type DelegationRequest,
  formatCallKey,
  formatParties,
  isForOneCall,
  mayBeKept,
  readRequest,
} from './request.js'
import { SingleFlight } from './single-flight.js'
import { type Ask, type IssuedToken, type ObtainOptions, TokenSource } from './token-source.js'

const EXCHANGE_GAP_MS = 1_000
const LEAST_LENGTH_MS = 5_000
// Shorter than for a user's token: nobody tells us when a delegation was granted again.
const BASE_DEAD_MS = 30_000

/** The call tokens that were made from the current base token. */
export class CallTokens {
  readonly source: TokenSource
  readonly #context: ClientContext
  readonly #bases: BaseTokens
  readonly #discovery = new SingleFlight<Metadata>()
  readonly #slots: ExchangeSlots
  #metadata: Metadata | undefined
  #isLongLived = false
  #parties: string | undefined
  #partiesSeen = 0
  #keyPrefix: string | undefined

  constructor(context: ClientContext, bases: BaseTokens) {
    this.#context = context
    this.#bases = bases
    this.#slots = createExchangeSlots(context.options.clock)
    this.source = new TokenSource({
      clock: context.options.clock,
      capacity: context.options.cache.capacity,
      leastLength: LEAST_LENGTH_MS,
      refreshGap: EXCHANGE_GAP_MS,
      emit: context.emit,
    })
  }

  /** The kept token of a request that has not been checked: one that is not well formed finds nothing. */
  look(request: DelegationRequest, audience: string, mayRefresh: boolean): IssuedToken | undefined {
    const { permissions, tool, binding, ttlSeconds, minValidityMs = 0 } = request
    if (this.#keyPrefix === undefined || !mayBeKept(request)) return undefined
    if (permissions !== undefined && !Array.isArray(permissions)) return undefined
    const key = formatCallKey(this.#keyPrefix, audience, permissions, tool, ttlSeconds, binding === 'tool')
    return this.source.look(key, minValidityMs, mayRefresh ? () => this.#askAgain(request) : undefined)
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
        this.#discover(signal, deadline),
        this.#bases.obtain(forBase, deadline),
      ])
      const tokenEndpoint = this.#exchangeEndpoint(metadata)
      if (tokenEndpoint === undefined) return undefined
      assertBindable(metadata, call)

      const { audience, permissions, tool, ttlSeconds, bind } = call
      const prefix = this.#prefixFor(metadata, base.grant)
      const key = formatCallKey(prefix, audience, permissions, tool, ttlSeconds, bind.length > 0)
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

  /** How many exchanges wait for their turn. */
  get queued(): number {
    return this.#slots.queued
  }

  /** Drops everything that was made from the base token, which is no longer the current one. */
  forgetBase(): void {
    // Who waits asks once more, with the new one.
    const reason = new AuthsecError('invalid_grant', 'the base token was replaced meanwhile')
    if (this.#keyPrefix !== undefined) this.source.forgetGroup(this.#keyPrefix, reason)
    this.#keyPrefix = undefined
  }

  close(reason: AuthsecError): void {
    this.#discovery.close(reason)
    this.source.close(reason)
    this.#keyPrefix = undefined
  }

  async #discover(signal: AbortSignal | undefined, deadline: number): Promise<Metadata> {
    const { http, options } = this.#context
    this.#metadata ??= await this.#discovery.join(
      options.serverUrl.href,
      (flight) => readMetadata(http, options.serverUrl, { signal: flight, deadline }),
      { signal },
    )
    return this.#metadata
  }

  // AuthSec's own token endpoint has an exchange that means something else: only the announcement tells.
  #exchangeEndpoint({ issuesCallTokens, tokenEndpoint }: Metadata): string | undefined {
    return issuesCallTokens || this.#context.options.transport === 'exchange' ? tokenEndpoint : undefined
  }

  #ask(tokenEndpoint: string, base: Grant, call: CallRequest, deadline: number): Ask {
    const { http, options, emit } = this.#context
    const parts = { ...options, http, tokenEndpoint }
    return async (signal) => {
      try {
        const limits = { signal, deadline }
        const grant = await this.#slots.run(() => exchangeToken(parts, base, call, limits), limits)
        const { jti, permissions, auditId } = grant
        const expiresAt = new Date(grant.expiresAt)
        emit({ type: 'token.exchanged', jti, audience: call.audience, permissions, auditId, expiresAt })
        this.#warnOfLongLife(grant)
        return grant
      } catch (error) {
        if (AuthsecError.is(error, 'invalid_grant')) this.#bases.drop(base)
        throw error
      }
    }
  }

  #warnOfLongLife({ jti, expiresAt, lifetime }: Grant): void {
    const beyond = expiresAt - lifetime.wallEnd
    if (beyond <= 0 || this.#isLongLived) return
    this.#isLongLived = true
    this.#context.emit({ type: 'token.long_lived', jti, seconds: (lifetime.length + beyond) / 1000 })
  }

  #askAgain(request: DelegationRequest): Ask | undefined {
    const { call } = readRequest(request)
    const base = this.#bases.look(0, true)
    const tokenEndpoint = this.#metadata?.tokenEndpoint
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

// Before the question rather than after the answer: a server that does not know bindings would issue a wider token.
function assertBindable({ bindings }: Metadata, { bind }: CallRequest): void {
  const missing = bindings && bind.find((binding) => !bindings.includes(binding))
  if (missing === undefined) return
  throw new AuthsecError('exchange_unsupported', `the server binds no token to the ${missing}`, {
    hint: 'Leave the binding out where the API can do without it.',
  })
}
