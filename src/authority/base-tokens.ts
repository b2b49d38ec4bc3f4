import { BASE_TOKEN_TYPE, type BaseClaims } from '../core/claims.js'
import { AuthsecError } from '../core/errors.js'
import { type MayAct, parseMayAct } from '../core/presenting.js'
import type { JsonObject } from '../core/strict-json.js'
import type { Delegation } from '../store/store.js'
import { parsePresented, type TokenRole } from './call-tokens.js'
import { findSigner, type SignedJwt, type SigningKey, type SigningKeys, signJwt } from './signer.js'

/** What a base token says that decides something. */
export interface PresentedBaseToken {
  clientId: string
  userId: string
  jti: string
  mayAct: MayAct | undefined
  /** Seconds since the epoch. */
  expiresAt: number
}

export interface BaseTokens {
  /**
   * Checks a base token that a client presents. Throws `invalid_request` when it is not one of this tenant's
   * and `invalid_grant` when it has expired.
   */
  verify(token: string, role?: TokenRole): PresentedBaseToken
}

/** What a token says, and which key vouches for it. */
interface Verified {
  presented: PresentedBaseToken
  signer: SigningKey
}

// An agent exchanges one base token many times: its signature is checked once.
const MAX_REMEMBERED = 1_000

export function createBaseTokens(options: {
  keys: SigningKeys
  issuer: string
  tenantId: string
  clock: () => number
}): BaseTokens {
  const { clock } = options
  const verified = new Map<string, Verified>()

  return {
    verify(token, role = 'subject') {
      // A key that is not trusted any more takes what it signed with it.
      const remembered = verified.get(token)
      const known = remembered && options.keys.trusted.includes(remembered.signer) ? remembered : undefined
      const { presented, signer } = known ?? readBaseToken(token, role, options)
      const now = clock() / 1000
      if (presented.expiresAt <= now) {
        verified.delete(token)
        throw new AuthsecError('invalid_grant', `the ${role} token has expired`)
      }
      if (known === undefined) {
        if (verified.size >= MAX_REMEMBERED) verified.delete(verified.keys().next().value as string)
        verified.set(token, { presented, signer })
      }
      return presented
    },
  }
}

/** The issuer of base tokens: AuthSec's, which is not a URL. */
export function baseIssuer(tenantId: string): string {
  return `spiffe://${tenantId}`
}

/** What the base token of a delegation says, to an agent of this name and type. */
export function createBaseClaims(
  delegation: Omit<Delegation, 'sealedToken'>,
  { spiffeId, agentType }: { spiffeId: string; agentType: string },
  tenantId: string,
): BaseClaims {
  const issuedAt = Math.floor(delegation.updatedAt / 1000)
  return {
    iss: baseIssuer(tenantId),
    sub: spiffeId,
    aud: [...delegation.audience],
    exp: Math.floor(delegation.expiresAt / 1000),
    iat: issuedAt,
    nbf: issuedAt,
    jti: delegation.jti,
    user_id: delegation.userId,
    tenant_id: tenantId,
    agent_type: agentType,
    permissions: [...delegation.permissions],
    client_id: delegation.clientId,
  }
}

/** Signs a base token with neither a key id nor another header: so AuthSec's own verifiers expect it. */
export function signBaseToken(key: SigningKey, claims: BaseClaims): SignedJwt {
  return signJwt(key, { typ: BASE_TOKEN_TYPE }, claims)
}

/** Whether a header is one of ours: a key id, an embedded key or a critical extension beside alg and typ is not. */
export function isBaseHeader(header: JsonObject): boolean {
  return (
    header['typ'] === BASE_TOKEN_TYPE && Object.keys(header).every((name) => ['alg', 'typ'].includes(name))
  )
}

function readBaseToken(
  token: string,
  role: TokenRole,
  { keys, issuer, tenantId }: { keys: SigningKeys; issuer: string; tenantId: string },
): Verified {
  const parsed = parsePresented(token, role)
  const { header, claims } = parsed
  if (!isBaseHeader(header)) {
    throw new AuthsecError('invalid_request', `the ${role} token is not a base token of this server`)
  }
  const signer = findSigner(keys, parsed)
  if (signer === undefined || claims['iss'] !== issuer || claims['tenant_id'] !== tenantId) {
    throw new AuthsecError('invalid_request', `the ${role} token was not issued by this server`)
  }
  const { client_id: clientId, user_id: userId, jti, exp: expiresAt, may_act: mayAct } = claims
  if (
    typeof clientId !== 'string' ||
    typeof userId !== 'string' ||
    typeof jti !== 'string' ||
    typeof expiresAt !== 'number'
  ) {
    throw new AuthsecError('invalid_request', `the ${role} token lacks a claim of a base token`)
  }
  const presented = {
    clientId,
    userId,
    jti,
    expiresAt,
    mayAct: mayAct === undefined ? undefined : parseMayAct(mayAct),
  }
  return { presented, signer }
}
