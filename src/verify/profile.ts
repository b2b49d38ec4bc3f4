import type { BaseClaims, CallClaims } from '../core/claims.js'
import { BASE_TOKEN_TYPE, BOUND_CALL_TOKEN_TYPE, CALL_TOKEN_TYPE } from '../core/claims.js'
import { MAX_BASE_TTL, MAX_CALL_TTL } from '../core/delegation.js'
import { isNumericDate } from '../core/jwt.js'
import { isJsonObject, type Json } from '../core/strict-json.js'
import type { Algorithm } from './algorithm.js'
import { isPermissionList } from './expectation.js'

/** The two kinds of delegation token. Each has its own type, issuer and keys, and is never taken for the other. */
export type ProfileName = 'call' | 'base'

/** What makes a token one of its kind. */
export interface Profile {
  name: ProfileName
  /** The values of `typ`, as `normalizeType` writes them. */
  types: readonly (string | undefined)[]
  /** The only algorithms of this kind; undefined where the verifier's own list decides. */
  algorithms: readonly Algorithm[] | undefined
  /** Whether the header names the key; if not, the issuer has exactly one. */
  namesKey: boolean
  /** The longest life, in seconds. */
  maxLifetime: number
  /** Every claim of the kind, with what its value has to be. */
  claims: readonly (readonly [name: string, isValid: ClaimRule])[]
}

type ClaimRule = (value: Json | undefined) => boolean

const CALL_CLAIMS: Record<keyof CallClaims, ClaimRule> = {
  iss: isText,
  sub: isText,
  aud: isText,
  exp: isNumericDate,
  iat: isNumericDate,
  nbf: isNumericDate,
  jti: isText,
  client_id: isText,
  tenant_id: isText,
  scope: (value) => typeof value === 'string',
  permissions: isPermissionList,
  act: isActor,
  authsec_grant: (value) => value === 'standing' || value === 'user',
  authsec_delegation: isText,
  parent_jti: isText,
  authsec_audit: isText,
  txn: isText,
  authsec_ancestors: optional((value) => Array.isArray(value) && value.every(isText)),
  may_act: optional(isJsonObject),
  tool: optional(isText),
  // Whatever these say, the check of bindings answers for it.
  bind: () => true,
  call: () => true,
  one_time: () => true,
}

const BASE_CLAIMS: Record<keyof BaseClaims, ClaimRule> = {
  iss: isText,
  sub: isSpiffeId,
  aud: (value) => Array.isArray(value) && value.every(isText),
  exp: isNumericDate,
  iat: isNumericDate,
  nbf: isNumericDate,
  jti: isText,
  user_id: isText,
  tenant_id: isText,
  agent_type: isText,
  permissions: isPermissionList,
  client_id: isText,
}

/** The profiles by name: RFC 9068 for call tokens, JWT-SVID as AuthSec issues it for base tokens. */
export const PROFILES: Readonly<Record<ProfileName, Profile>> = {
  call: {
    name: 'call',
    types: [CALL_TOKEN_TYPE, BOUND_CALL_TOKEN_TYPE],
    algorithms: undefined,
    namesKey: true,
    maxLifetime: MAX_CALL_TTL,
    claims: Object.entries(CALL_CLAIMS),
  },
  base: {
    name: 'base',
    // JWT-SVID §2.3: `typ` is optional, and JWT or JOSE when it is there.
    types: [normalizeType(BASE_TOKEN_TYPE), 'jose', undefined],
    algorithms: ['RS256'],
    namesKey: false,
    maxLifetime: MAX_BASE_TTL,
    claims: Object.entries(BASE_CLAIMS),
  },
}

/**
 * A `typ` as it is compared: a media type without case and without `application/` (RFC 7515 §4.1.9); empty for
 * what is no text.
 */
export function normalizeType(typ: Json | undefined): string | undefined {
  if (typ === undefined) return undefined
  return typeof typ === 'string' ? typ.toLowerCase().replace(/^application\//, '') : ''
}

function optional(rule: ClaimRule): ClaimRule {
  return (value) => value === undefined || rule(value)
}

function isText(value: Json | undefined): value is string {
  return typeof value === 'string' && value !== ''
}

function isSpiffeId(value: Json | undefined): boolean {
  return typeof value === 'string' && /^spiffe:\/\/[^/\s]+\/\S+$/.test(value)
}

// Recursion is bounded: a token nested deeper than 32 does not parse.
function isActor(value: Json | undefined): boolean {
  if (!isJsonObject(value)) return false
  const { sub, client_id: clientId, act } = value as { sub?: Json; client_id?: Json; act?: Json }
  // They would say something of the token, which only its own claims do (RFC 8693 §4.1).
  if (['exp', 'nbf', 'aud'].some((claim) => claim in value)) return false
  return isText(sub) && isText(clientId) && (act === undefined || isActor(act))
}
