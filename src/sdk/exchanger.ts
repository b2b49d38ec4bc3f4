import { AuthsecError } from '../core/errors.js'
import type { ClientContext } from './client-context.js'
import type { Metadata } from './discovery.js'
import { type ExchangeSubject, exchangeToken } from './exchange.js'
import { createExchangeSlots } from './exchange-slots.js'
import type { Grant } from './grant.js'
import type { Limits } from './http.js'
import type { CallRequest } from './request.js'

/** Makes call tokens out of other tokens, a few at a time, and reports each. */
export interface Exchanger {
  /** How many exchanges wait for their turn. */
  readonly queued: number
  /** Where a call token is to be had; undefined where none is. Throws `exchange_unsupported` for an unknown binding. */
  findEndpoint(metadata: Metadata, call: CallRequest): string | undefined
  /** Rejects as `exchangeToken` throws, and with `overloaded`. */
  exchange(tokenEndpoint: string, subject: ExchangeSubject, call: CallRequest, limits: Limits): Promise<Grant>
}

export function createExchanger({ options, http, discovery, emit }: ClientContext): Exchanger {
  const slots = createExchangeSlots(options.clock)
  let hasWarned = false

  return {
    get queued() {
      return slots.queued
    },
    findEndpoint({ issuesCallTokens, tokenEndpoint, bindings }, { bind }) {
      // AuthSec's own token endpoint has an exchange that means something else: only the announcement tells.
      if (!issuesCallTokens && options.transport !== 'exchange') return undefined
      // Before the question rather than after the answer: who does not know bindings would issue a wider token.
      const missing = bindings && bind.find((binding) => !bindings.includes(binding))
      if (missing === undefined || tokenEndpoint === undefined) return tokenEndpoint
      throw new AuthsecError('exchange_unsupported', `the server binds no token to the ${missing}`, {
        hint: 'Leave the binding out where the API can do without it.',
      })
    },
    async exchange(tokenEndpoint, subject, call, limits) {
      const issuer = discovery.known?.issuer ?? options.serverUrl.origin
      const { authenticate: prove } = options
      const authenticate = prove && (() => prove(issuer))
      const parts = { ...options, http, tokenEndpoint, authenticate }
      const grant = await slots.run(() => exchangeToken(parts, subject, call, limits), limits)
      const { jti, permissions, auditId } = grant
      const expiresAt = new Date(grant.expiresAt)
      emit({ type: 'token.exchanged', jti, audience: call.audience, permissions, auditId, expiresAt })
      warnOfLongLife(grant)
      return grant
    },
  }

  function warnOfLongLife({ jti, expiresAt, lifetime }: Grant): void {
    const beyond = expiresAt - lifetime.wallEnd
    if (beyond <= 0 || hasWarned) return
    hasWarned = true
    emit({ type: 'token.long_lived', jti, seconds: (lifetime.length + beyond) / 1000 })
  }
}
