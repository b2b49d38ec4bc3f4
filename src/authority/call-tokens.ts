import {
  type ActorClaim,
  BOUND_CALL_TOKEN_TYPE,
  CALL_TOKEN_TYPE,
  type CallClaims,
  type ClientClaims,
} from '../core/claims.js'
import { AuthsecError } from '../core/errors.js'
import { type ParsedJwt, parseJwt } from '../core/jwt.js'
import { isJsonObject, type Json, type JsonObject } from '../core/strict-json.js'
import { hasValidSignature, type SigningKey } from './signer.js'

/** As what a token is presented: whose authority is used, who acts, or just what it is. */
export type TokenRole = 'subject' | 'actor' | 'presented'

export interface CallTokens {
  /**
   * Checks a call token of a delegation that a client presents, and returns what it says. Throws `invalid_request`
   * when it is not one of this server's and `invalid_grant` when it has expired.
   */
  verify(token: string, role?: TokenRole): CallClaims
  /** Checks a token that a client holds for itself, likewise. */
  verifyOwn(token: string): ClientClaims
}

const TYPES: readonly unknown[] = [CALL_TOKEN_TYPE, BOUND_CALL_TOKEN_TYPE]
// An embedded key, a key set to fetch or a critical extension is never one of ours.
const HEADER_MEMBERS = ['alg', 'typ', 'kid']
const TEXTS = ['jti', 'sub', 'aud', 'client_id', 'scope', 'authsec_delegation', 'parent_jti', 'txn'] as const

export function createCallTokens(options: {
  /** Every key that may have signed a token that is still alive. */
  keys: () => readonly SigningKey[]
  issuer: string
  tenantId: string
  clock: () => number
}): CallTokens {
  const { keys, issuer, tenantId, clock } = options
  function readSigned(token: string, role: TokenRole): JsonObject {
    const parsed = parsePresented(token, role)
    const { header, claims } = parsed
    if (
      !TYPES.includes(header['typ']) ||
      Object.keys(header).some((name) => !HEADER_MEMBERS.includes(name))
    ) {
      throw new AuthsecError('invalid_request', `the ${role} token is not a call token of this server`)
    }
    const key = keys().find(({ kid }) => kid === header['kid'])
    const isOurs = key !== undefined && hasValidSignature(key, parsed)
    if (!isOurs || claims['iss'] !== issuer || claims['tenant_id'] !== tenantId) {
      throw new AuthsecError('invalid_request', `the ${role} token was not issued by this server`)
    }
    return claims
  }

  function assertAlive({ exp }: { exp: number }, role: TokenRole): void {
    if (exp <= clock() / 1000) throw new AuthsecError('invalid_grant', `the ${role} token has expired`)
  }

  return {
    verify(token, role = 'subject') {
      const claims = readSigned(token, role)
      if (!isCallClaims(claims)) {
        throw new AuthsecError('invalid_request', `the ${role} token is not one of a delegation`)
      }
      assertAlive(claims, role)
      return claims
    },

    verifyOwn(token) {
      const claims: object = readSigned(token, 'subject')
      if (!isClientClaims(claims))
        throw new AuthsecError('invalid_request', 'the token is not one of a client')
      assertAlive(claims, 'subject')
      return claims
    },
  }
}

/** Takes apart a token that a client presents; throws `invalid_request` saying what cannot be read of it. */
export function parsePresented(token: string, role: TokenRole): ParsedJwt {
  try {
    return parseJwt(token)
  } catch (error) {
    const why = AuthsecError.is(error) ? error.message : 'unreadable'
    throw new AuthsecError('invalid_request', `the ${role} token cannot be read: ${why}`)
  }
}

// Our own signature vouches for the rest. A token that a client holds for itself has no actor.
function isCallClaims(claims: object): claims is CallClaims {
  const said = claims as Record<string, Json>
  return (
    TEXTS.every((name) => typeof said[name] === 'string') &&
    typeof said['exp'] === 'number' &&
    Array.isArray(said['permissions']) &&
    isActor(said['act'])
  )
}

function isClientClaims(claims: object): claims is ClientClaims {
  return (claims as Record<string, Json>)['authsec_grant'] === 'client'
}

function isActor(act: Json | undefined): act is Json & ActorClaim {
  return isJsonObject(act) && typeof act['sub'] === 'string' && typeof act['client_id'] === 'string'
}
