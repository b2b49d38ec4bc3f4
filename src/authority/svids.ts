import { AuthsecError } from '../core/errors.js'
import { parseJwt } from '../core/jwt.js'
import type { JsonObject } from '../core/strict-json.js'
import type { AuditLog, Provenance } from './audit/log.js'
import { isBaseHeader } from './base-tokens.js'
import { findSigner, type SigningKeys } from './signer.js'

export interface SvidQuestion {
  tenantId: string
  token: string
  /** Any of them has to be in the token; empty asks for none. */
  audience: readonly string[]
}

/** What a base token says, as a JWT-SVID; AuthSec's other claims stand beside these. */
export type SvidClaims = JsonObject & { sub: string; iat: number; exp: number }

export interface Svids {
  /**
   * Says whether a base token is genuine and in time, and nothing more: one that was revoked or replaced still
   * is. Throws `tenant_mismatch`, `token_malformed`, `type_mismatch`, `signature_invalid`, `issuer_mismatch`,
   * `claim_invalid`, `token_expired`, `token_not_yet_valid` or `audience_mismatch`.
   */
  validate(question: SvidQuestion, provenance: Provenance): Promise<SvidClaims>
}

export interface SvidsOptions {
  audit: AuditLog
  keys: SigningKeys
  issuer: string
  tenantId: string
  clock: () => number
}

export function createSvids(options: SvidsOptions): Svids {
  return {
    validate(question, provenance) {
      return options.audit.attempt({ type: 'token.validated' }, provenance, async (attempt) => {
        const claims = readSvid(question, options)
        const { jti, client_id: client } = claims
        attempt.note({
          ...(typeof jti === 'string' && { jti }),
          ...(typeof client === 'string' && { client }),
        })
        await attempt.commit()
        return claims
      })
    },
  }
}

/** Reads a token that this server signed with the key of base tokens; throws what `validate` throws. */
export function readSvid(
  { tenantId, token, audience }: SvidQuestion,
  { keys, issuer, tenantId: ownTenantId, clock }: Omit<SvidsOptions, 'audit'>,
): SvidClaims {
  if (tenantId.toLowerCase() !== ownTenantId) {
    throw new AuthsecError('tenant_mismatch', 'the token is asked about for another tenant')
  }
  const parsed = parseJwt(token)
  const { header, claims } = parsed
  if (!isBaseHeader(header)) {
    throw new AuthsecError('type_mismatch', 'the token is not a base token of this server')
  }
  if (findSigner(keys, parsed) === undefined) {
    throw new AuthsecError('signature_invalid', 'the token was not signed by this server')
  }
  if (claims['iss'] !== issuer) throw new AuthsecError('issuer_mismatch', 'the token has another issuer')
  assertSvidClaims(claims)
  assertInTime(claims, clock() / 1000)
  if (audience.length > 0 && !audience.some((name) => toList(claims['aud']).includes(name))) {
    throw new AuthsecError('audience_mismatch', 'the token is for another audience')
  }
  return claims
}

function assertSvidClaims(claims: JsonObject): asserts claims is SvidClaims {
  const { sub, iat, exp } = claims
  if (typeof sub !== 'string' || typeof iat !== 'number' || typeof exp !== 'number') {
    throw new AuthsecError('claim_invalid', 'the token lacks sub, iat or exp')
  }
}

function assertInTime({ exp, nbf }: SvidClaims, now: number): void {
  if (exp <= now) throw new AuthsecError('token_expired', 'the token has expired')
  if (typeof nbf === 'number' && nbf > now + 1) {
    throw new AuthsecError('token_not_yet_valid', 'the token is not valid yet')
  }
}

function toList(audience: unknown): readonly unknown[] {
  return Array.isArray(audience) ? audience : [audience]
}
