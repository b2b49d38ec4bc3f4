import { randomUUID } from 'node:crypto'
import { BASE_TOKEN_TYPE } from '../core/claims.js'
import { AUTHSEC_AUDIENCE } from '../core/delegation.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { JsonObject } from '../core/strict-json.js'
import type { Attempt, Provenance } from './audit/log.js'
import { SESSION_ISSUER, SESSION_TOKEN_TYPE } from './session-claims.js'
import type { Session } from './sessions.js'
import { type SigningKeys, signJwt } from './signer.js'
import { readSvid, type SvidsOptions } from './svids.js'

/** What is asked of `issueDelegated`. */
export interface SvidRequest {
  tenantId: string
  spiffeId: string
  audience: readonly string[]
  ttlSeconds: number | undefined
  claims: JsonObject
}

export interface QuirkToken {
  token: string
  spiffeId: string
  /** Milliseconds since the epoch. */
  expiresAt: number
}

/** Whom `generateSession` pretends to know. */
export interface SessionRequest {
  tenantId: string
  projectId: string
  clientId: string
  email: string
  /** Any value selects the other key id. */
  secretId: string | undefined
}

/**
 * What AuthSec does and nobody should rely on. None of these tokens is worth anything here beyond its signature:
 * an exchange asks for the live delegation, a session for its record.
 */
export interface Quirks {
  /** Extends a valid base token by 24 h, past its policy. Throws what `validate` of `Svids` throws. */
  renew(tenantId: string, token: string, provenance: Provenance): Promise<QuirkToken>
  /** Signs whatever claims somebody wants. Throws `tenant_mismatch`, `delegation_not_allowed`. */
  issueDelegated(request: SvidRequest, session: Session, provenance: Provenance): Promise<QuirkToken>
  /** Signs a session that nobody logged in to. Throws `tenant_mismatch`. */
  generateSession(request: SessionRequest, provenance: Provenance): Promise<string>
}

export interface QuirksOptions extends SvidsOptions {
  sessionKeys: SigningKeys
}

/** How long a token of `generateSession` lives, in seconds. */
export const GENERATED_SESSION_TTL = 86_400
const SVID_TTL = 86_400

// AuthSec drops these from the claims that somebody wants, and leaves permissions.
const DROPPED_CLAIMS = ['role', 'roles', 'perms', 'scopes', 'scope', 'admin', 'is_admin']
const REGISTERED_CLAIMS = ['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti']

export function createQuirks(options: QuirksOptions): Quirks {
  const { audit, keys, sessionKeys, issuer, tenantId, clock } = options
  const seconds = () => Math.floor(clock() / 1000)

  async function issueSvid(
    { sub, audience, ttl, claims }: { sub: string; audience: unknown; ttl: number; claims: JsonObject },
    attempt: Attempt,
  ): Promise<QuirkToken> {
    const now = seconds()
    const registered = {
      iss: issuer,
      sub,
      aud: audience,
      exp: now + ttl,
      iat: now,
      nbf: now,
      jti: randomUUID(),
    }
    const { token, tokenHash } = signJwt(keys.active, { typ: BASE_TOKEN_TYPE }, { ...claims, ...registered })
    attempt.note({ jti: registered.jti, token_hash: tokenHash })
    await attempt.commit()
    return { token, spiffeId: sub, expiresAt: registered.exp * 1000 }
  }

  return {
    renew(asked, token, provenance) {
      return audit.attempt(draftOf('renew'), provenance, async (attempt) => {
        const claims = readSvid({ tenantId: asked, token, audience: [] }, options)
        return issueSvid({ sub: claims.sub, audience: claims['aud'], ttl: SVID_TTL, claims }, attempt)
      })
    },

    issueDelegated(request, session, provenance) {
      const actor = { type: 'user', id: session.user.id } as const
      return audit.attempt({ ...draftOf('issue-delegated'), actor }, provenance, async (attempt) => {
        assertOwnTenant(request.tenantId, tenantId)
        if (!request.spiffeId.startsWith(`spiffe://${tenantId}/`)) {
          throw new AuthsecError(
            'delegation_not_allowed',
            `${quote(request.spiffeId, 200)} is outside the tenant`,
          )
        }
        const { spiffeId: sub, audience, ttlSeconds } = request
        attempt.note({ aud: [...audience] })
        const ttl = ttlSeconds !== undefined && ttlSeconds > 0 ? ttlSeconds : SVID_TTL
        const claims = withoutMembers(request.claims, [...DROPPED_CLAIMS, ...REGISTERED_CLAIMS])
        return issueSvid({ sub, audience, ttl, claims }, attempt)
      })
    },

    generateSession(request, provenance) {
      return audit.attempt(draftOf('token-generate'), provenance, async (attempt) => {
        assertOwnTenant(request.tenantId, tenantId)
        const now = seconds()
        const header = {
          typ: SESSION_TOKEN_TYPE,
          kid: request.secretId === undefined ? 'default' : 'sdk-agent',
        }
        const { token, tokenHash } = signJwt(sessionKeys.active, header, {
          iss: SESSION_ISSUER,
          aud: AUTHSEC_AUDIENCE,
          tenant_id: tenantId,
          project_id: request.projectId,
          client_id: request.clientId,
          email_id: request.email,
          token_type: 'user',
          scope: [],
          iat: now,
          nbf: now,
          exp: now + GENERATED_SESSION_TTL,
        })
        attempt.note({ token_hash: tokenHash })
        await attempt.commit()
        return token
      })
    },
  }
}

function draftOf(quirk: string) {
  return { type: 'quirk.used', details: { quirk } } as const
}

function assertOwnTenant(asked: string, tenantId: string): void {
  if (asked.toLowerCase() === tenantId) return
  throw new AuthsecError('tenant_mismatch', 'the tenant is not that of the caller')
}

function withoutMembers(claims: JsonObject, names: readonly string[]): JsonObject {
  return Object.fromEntries(Object.entries(claims).filter(([name]) => !names.includes(name)))
}
