import { formatDuration } from '../core/duration.js'
import { AuthsecError } from '../core/errors.js'
import { isNumericDate } from '../core/jwt.js'
import { quote } from '../core/printable.js'
import { isJsonObject, type Json } from '../core/strict-json.js'
import { formatRelative } from '../core/time.js'
import { type Check, show, showList } from './check.js'
import { isPermissionList } from './expectation.js'

/** How far the clocks of issuer and verifier may be apart where a token begins, in seconds. */
const START_TOLERANCE = 5

/** `iss` is one that is believed. */
export const issuer: Check = {
  name: 'issuer',
  refuse({ claims, trust }) {
    if ((trust.issuers as readonly unknown[]).includes(claims['iss'])) return undefined
    return new AuthsecError(
      'issuer_mismatch',
      `the issuer is ${show(claims['iss'])}, not ${showList(trust.issuers)}`,
    )
  },
  describe: ({ claims }) => quote(claims['iss']),
}

/** `aud` names this API (RFC 9068 §4), byte for byte. */
export const audience: Check = {
  name: 'audience',
  refuse({ claims, settings }) {
    const named = Array.isArray(claims['aud']) ? claims['aud'] : [claims['aud']]
    if (settings.audience.some((accepted) => named.includes(accepted))) return undefined
    return new AuthsecError(
      'audience_mismatch',
      `the audience is ${showList(named)}, not ${showList(settings.audience)}`,
    )
  },
  describe: ({ settings }) => showList(settings.audience),
}

/** `tenant_id` is the pinned one, where one is. */
export const tenant: Check = {
  name: 'tenant',
  skip: ({ trust }) => (trust.tenant === undefined ? 'none is expected' : undefined),
  refuse({ claims, trust }) {
    if (trust.tenant === undefined || claims['tenant_id'] === trust.tenant) return undefined
    return new AuthsecError(
      'tenant_mismatch',
      `the tenant is ${show(claims['tenant_id'])}, not ${quote(trust.tenant)}`,
    )
  },
  describe: ({ trust }) => quote(trust.tenant),
}

/** `exp` is not over, RFC 7519 §4.1.4. */
export const expiry: Check = {
  name: 'expiry',
  refuse({ claims: { exp, one_time: oneTime }, now, settings: { clockToleranceSeconds: tolerance } }) {
    if (!isNumericDate(exp)) return new AuthsecError('claim_invalid', 'the claim "exp" is not a time')
    if (now < exp + (oneTime === undefined ? tolerance.usual : tolerance.oneTime)) return undefined
    return new AuthsecError('token_expired', `the token expired ${showTime(exp, now)}`, {
      hint: 'Ask for a token right before each call.',
    })
  },
  describe: ({ claims: { exp }, now }) => `expires ${showTime(exp as number, now)}`,
}

/** Neither `nbf` nor `iat` lies in the future, RFC 7519 §4.1.5-6. */
export const start: Check = {
  name: 'start',
  refuse({ claims: { nbf, iat }, now }) {
    if (!isNumericDate(iat)) return new AuthsecError('claim_invalid', 'the claim "iat" is not a time')
    if (nbf !== undefined && !isNumericDate(nbf)) {
      return new AuthsecError('claim_invalid', 'the claim "nbf" is not a time')
    }
    const begin = nbf === undefined ? iat : Math.max(iat, nbf)
    if (begin <= now + START_TOLERANCE) return undefined
    return new AuthsecError('token_not_yet_valid', `the token begins ${showTime(begin, now)}`, {
      hint: 'Check that the clocks of the issuer and the API agree.',
    })
  },
  describe: ({ claims: { iat }, now }) => `issued ${showTime(iat as number, now)}`,
}

/** The token does not live longer than its profile allows: a leaked one is worth only so much. */
export const lifetime: Check = {
  name: 'lifetime',
  skip: ({ claims: { exp, iat } }) =>
    isNumericDate(exp) && isNumericDate(iat) ? undefined : 'its times are no times',
  refuse({ claims: { exp, iat }, profile }) {
    const seconds = Number(exp) - Number(iat)
    if (seconds > 0 && seconds <= profile.maxLifetime) return undefined
    return new AuthsecError(
      'claim_invalid',
      `the token lives ${seconds} seconds, a ${profile.name} token at most ${profile.maxLifetime}`,
    )
  },
  describe: ({ claims: { exp, iat } }) => formatDuration(Number(exp) - Number(iat)),
}

/** Every claim of the profile is there and of its type, so that what reads them later may rely on it. */
export const claims: Check = {
  name: 'claims',
  refuse({ claims, profile }) {
    const wrong = profile.claims.filter(([claim, isValid]) => !isValid(claims[claim]))
    if (wrong.length === 0) return undefined
    return new AuthsecError(
      'claim_invalid',
      `missing or malformed: ${wrong.map(([claim]) => claim).join(', ')}`,
    )
  },
  describe: ({ profile }) => `all that a ${profile.name} token has`,
}

/** `scope` and `permissions` of a call token say the same, whichever of them is read. */
export const scope: Check = {
  name: 'scope',
  skip: ({ profile }) => (profile.name === 'call' ? undefined : 'a base token has none'),
  refuse({ claims: { scope, permissions }, profile }) {
    if (profile.name !== 'call') return undefined
    if (isPermissionList(permissions) && permissions.join(' ') === scope) return undefined
    return new AuthsecError('claim_invalid', 'the claims "scope" and "permissions" are not the same')
  },
  describe: () => 'the same as permissions',
}

/**
 * The actors of `act` are no more than accepted (RFC 8693 §4.1), and the current one is the client that requested the
 * token (§4.3): who decides by one of the two must not let through what the other would not.
 */
export const chain: Check = {
  name: 'chain',
  skip: ({ profile }) => (profile.name === 'call' ? undefined : 'a base token has none'),
  refuse({ claims, profile, settings }) {
    if (profile.name !== 'call') return undefined
    const { act, client_id: client } = claims as { act?: Json; client_id?: Json }
    const depth = countActors(act)
    if (depth > settings.maxChainDepth) {
      return new AuthsecError(
        'claim_invalid',
        `the chain has ${depth} actors, more than ${settings.maxChainDepth}`,
      )
    }
    if (!isJsonObject(act) || act['client_id'] === client) return undefined
    return new AuthsecError('claim_invalid', 'the claims "act.client_id" and "client_id" are not the same')
  },
  describe({ claims }) {
    const depth = countActors(claims['act'])
    return depth === 1 ? '1 actor' : `${depth} actors`
  },
}

function countActors(act: Json | undefined): number {
  let count = 0
  for (let actor = act; isJsonObject(actor); actor = actor['act']) count++
  return count
}

function showTime(seconds: number, now: number): string {
  return formatRelative(seconds * 1000, now * 1000)
}
