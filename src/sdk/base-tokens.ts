import type { AuthsecError } from '../core/errors.js'
import type { ClientContext } from './client-context.js'
import type { DelegationToken } from './delegation-token.js'
import type { Grant } from './grant.js'
import { pullBaseToken } from './pull.js'
import type { StoredToken } from './token-cache.js'
import { type Ask, type IssuedToken, type ObtainOptions, TokenSource } from './token-source.js'

const PULL_GAP_MS = 30_000
const ONLY_KEY = ''

/** The agent's base token: there is one at a time, and whoever is granted a new one loses the old. */
export class BaseTokens {
  readonly source: TokenSource
  readonly #context: ClientContext
  readonly #onChanged: () => void
  #current: Grant | undefined

  /** `onChanged` is called when the base token became another one or none. */
  constructor(context: ClientContext, onChanged: () => void) {
    this.#context = context
    this.#onChanged = onChanged
    this.source = new TokenSource({
      clock: context.options.clock,
      capacity: 1,
      leastLength: 0,
      refreshGap: PULL_GAP_MS,
      emit: context.emit,
      onKept: (grant) => this.#adopt(grant),
      onDenied: (grant) => this.drop(grant),
    })
  }

  /** The base token that is kept, expired or not. */
  get current(): Grant | undefined {
    return this.#current
  }

  look(minValidityMs: number, mayRefresh: boolean): StoredToken | undefined {
    const kept = this.source.look(ONLY_KEY, minValidityMs)
    if (kept?.isAging && mayRefresh) this.#renew(kept)
    return kept
  }

  /** The kept base token, or a pulled one. Rejects as `pullBaseToken` throws. */
  async obtain(options: ObtainOptions, deadline: number): Promise<IssuedToken> {
    const kept = options.forceRefresh ? undefined : this.look(options.minValidityMs, true)
    return kept ?? this.source.obtain(ONLY_KEY, this.#ask(deadline), options)
  }

  /** Drops a base token that the server refused, unless another one has taken its place. */
  drop(grant: Grant): void {
    if (this.#current?.jti !== grant.jti) return
    this.source.forget(ONLY_KEY)
    this.#current = undefined
    this.#onChanged()
  }

  /** Drops a base token that an API rejected; whether it was one. */
  invalidate(token: DelegationToken): boolean {
    if (!this.source.invalidate(token)) return false
    this.#current = undefined
    this.#onChanged()
    return true
  }

  close(reason: AuthsecError): void {
    this.source.close(reason)
    this.#current = undefined
  }

  // On its own, because a function that is made anywhere in `look` would cost each call of it.
  #renew(kept: StoredToken): void {
    this.source.renew(ONLY_KEY, kept, () => this.#ask())
  }

  #ask(deadline: number = this.#context.newDeadline()): Ask {
    const { http, options, discovery, emit } = this.#context
    const { serverUrl, clientId, authenticate: prove } = options
    return async (signal) => {
      // A proof is addressed to the issuer, whose name only the metadata knows.
      const issuer = prove && (await discovery.read(signal, deadline)).issuer
      const authenticate = prove && issuer !== undefined ? () => prove(issuer) : undefined
      const grant = await pullBaseToken(http, { serverUrl, clientId, authenticate }, { signal, deadline })
      emit({ type: 'token.pulled', jti: grant.jti, expiresAt: new Date(grant.expiresAt) })
      return grant
    }
  }

  #adopt(grant: Grant): void {
    const isOther = this.#current?.jti !== grant.jti
    this.#current = grant
    if (isOther) this.#onChanged()
  }
}
