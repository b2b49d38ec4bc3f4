import { AUTHSEC_AUDIENCE } from '../core/delegation.js'
import { AuthsecError } from '../core/errors.js'
import { parseJwt } from '../core/jwt.js'
import { sortPermissions } from '../core/permission.js'
import { type MayAct, parseMayAct } from '../core/presenting.js'
import type { Json } from '../core/strict-json.js'
import type { StoredSession } from '../store/sessions.js'
import type { User } from '../store/store.js'
import { findSigner, type SigningKeys } from './signer.js'

/** What the token of a session says of it. */
export interface SessionClaims {
  /** The `jti`. */
  id: string
  userId: string
  /** Seconds since the epoch. */
  expiresAt: number
  mayAct: MayAct | undefined
}

/** Who issues sessions, in AuthSec's words. */
export const SESSION_ISSUER = 'authsec-ai/auth-manager'
/** The `typ` of their tokens. */
export const SESSION_TOKEN_TYPE = 'JWT'

/** What the token of a session says, in AuthSec's claims; `jti` and `boot` are ours. */
export function createSessionClaims(
  user: User,
  session: StoredSession,
  { tenantId, tokenType }: { tenantId: string; tokenType: 'admin' | 'user' },
): Record<string, unknown> & { scope: string[]; exp: number } {
  const issuedAt = Math.floor(session.createdAt / 1000)
  return {
    iss: SESSION_ISSUER,
    aud: AUTHSEC_AUDIENCE,
    sub: user.id,
    user_id: user.id,
    email_id: user.email,
    tenant_id: tenantId,
    project_id: tenantId,
    ...(session.clientId !== undefined && { client_id: session.clientId }),
    token_type: tokenType,
    scope: sortPermissions(user.permissions),
    roles: user.roles,
    iat: issuedAt,
    nbf: issuedAt,
    exp: Math.floor(session.expiresAt / 1000),
    jti: session.id,
    ...(session.bootId !== undefined && { boot: session.bootId }),
  }
}

/** What a token says that this server has signed as a session, alive or not; undefined for anything else. */
export function readSession(
  token: string,
  { keys, tenantId }: { keys: SigningKeys; tenantId: string },
): SessionClaims | undefined {
  const claims = readSigned(token, keys)
  if (claims === undefined) return undefined
  const { iss, aud, tenant_id: tenant, exp: expiresAt, sub: userId, jti: id, may_act: mayAct } = claims
  if (iss !== SESSION_ISSUER || aud !== AUTHSEC_AUDIENCE || tenant !== tenantId) return undefined
  if (typeof expiresAt !== 'number' || typeof userId !== 'string' || typeof id !== 'string') return undefined
  return { id, userId, expiresAt, mayAct: mayAct === undefined ? undefined : parseMayAct(mayAct) }
}

function readSigned(token: string, keys: SigningKeys): Record<string, Json> | undefined {
  try {
    const parsed = parseJwt(token)
    const isSigned = parsed.header['typ'] === SESSION_TOKEN_TYPE && findSigner(keys, parsed) !== undefined
    return isSigned ? parsed.claims : undefined
  } catch (error) {
    // A malformed token and a foreign one get the same answer.
    if (AuthsecError.is(error)) return undefined
    throw error
  }
}
