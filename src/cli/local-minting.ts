import { CALL_TOKEN_TYPE } from '../core/claims.js'
import { DEFAULT_CALL_TTL } from '../core/delegation.js'
import { AuthsecError } from '../core/errors.js'
import { formatScope, sortPermissions } from '../core/permission.js'
import { quote } from '../core/printable.js'
import { type JsonObject, parseStrictJsonObject } from '../core/strict-json.js'
import type { Clock } from './context.js'
import { readKeyFile } from './key-input.js'
import { readTextFile } from './text-file.js'
import type { DeliverableToken } from './token-delivery.js'

/** What a token is made of that nobody but its maker vouches for. */
export interface LocalRequest {
  /** A private key in PEM or as a JWK. */
  keyFile: string
  /** More claims, which win over those that follow from the rest. */
  claimsFile: string | undefined
  issuer: string | undefined
  audience: string | undefined
  permissions: readonly string[]
  ttlSeconds: number | undefined
  tool: string | undefined
}

/** Who issues what is made on this machine, unless somebody is named. */
const LOCAL_ISSUER = 'urn:authsec:local'

/** Signs a token with a key of one's own and asks nobody; throws `not_found`, `usage` and `key_malformed`. */
export async function mintLocally(request: LocalRequest, clock: Clock): Promise<DeliverableToken> {
  const { parseLocalKey, signLocally } = await import('./local-signing.js')
  const key = parseLocalKey(await readKeyFile(request.keyFile), request.keyFile)
  const { claimsFile } = request
  const more = claimsFile === undefined ? {} : parseClaims(await readTextFile(claimsFile), claimsFile)
  const claims = { ...describeClaims(request, Math.floor(clock.now() / 1000)), ...more }
  const { exp } = claims
  return {
    token: signLocally(key, CALL_TOKEN_TYPE, claims),
    kind: 'local',
    clientId: undefined,
    audience: request.audience === undefined ? [] : [request.audience],
    permissions: sortPermissions(request.permissions),
    expiresAt: Number(exp) * 1000,
    auditId: undefined,
  }
}

function describeClaims(
  { issuer = LOCAL_ISSUER, audience, permissions, ttlSeconds, tool }: LocalRequest,
  now: number,
): JsonObject {
  return {
    iss: issuer,
    sub: 'local',
    ...(audience !== undefined && { aud: audience }),
    iat: now,
    nbf: now,
    exp: now + (ttlSeconds ?? DEFAULT_CALL_TTL),
    jti: crypto.randomUUID(),
    ...(permissions.length > 0 && {
      scope: formatScope(permissions),
      permissions: sortPermissions(permissions),
    }),
    ...(tool !== undefined && { tool }),
  }
}

function parseClaims(text: string, path: string): JsonObject {
  let claims: JsonObject
  try {
    claims = parseStrictJsonObject(text)
  } catch (error) {
    const why = AuthsecError.is(error) ? error.message : 'unreadable'
    throw new AuthsecError('usage', `the claims in ${quote(path)} cannot be used: ${why}`, { cause: error })
  }
  const wrong = ['exp', 'iat', 'nbf'].find((name) => name in claims && typeof claims[name] !== 'number')
  if (wrong === undefined) return claims
  throw new AuthsecError('usage', `the claim ${quote(wrong)} in ${quote(path)} is not a time in seconds`)
}
