import { randomUUID } from 'node:crypto'
import { AuthsecError } from '../core/errors.js'
import { parseJwt } from '../core/jwt.js'
import type { Store, User } from '../store/store.js'
import { type AuditLog, SERVER_ITSELF } from './audit/log.js'
import { hasValidSignature, type SigningKey, signJwt } from './signer.js'

/** Someone who is logged in, with the authority they have now. */
export interface Session {
  user: User
  /** Seconds since the epoch. */
  expiresAt: number
}

export interface Sessions {
  /** Starts a session of a user and returns its token; it ends with this run of the server, or after 12 h. */
  start(user: User): Promise<string>
  /**
   * The session of a token. Throws `login_required` when the token is not one of this run of the server, has
   * expired, or its user is gone.
   */
  resume(token: string): Promise<Session>
}

export interface SessionsOptions {
  store: Store
  audit: AuditLog
  key: SigningKey
  clock: () => number
  tenantId: string
  bootId: string
}

/** The permission that AuthSec's admin routes require. */
export const ADMIN_PERMISSION = 'admin:access'

const SESSION_TTL = 12 * 3_600
const AUDIENCE = 'authsec-api'
const ISSUER = 'authsec-ai/auth-manager'
const TOKEN_TYPE = 'JWT'

/** Sessions are HS256 tokens with the claims of AuthSec's own, bound to one run of the server. */
export function createSessions(options: SessionsOptions): Sessions {
  const { store, audit, key, clock, tenantId, bootId } = options
  return {
    start(user) {
      const jti = randomUUID()
      const draft = {
        type: 'session.started',
        actor: { type: 'server', id: bootId },
        subject: { type: 'user', id: user.id },
        jti,
      } as const
      return audit.attempt(draft, SERVER_ITSELF, async (attempt) => {
        const issuedAt = Math.floor(clock() / 1000)
        const { token, tokenHash } = signJwt(
          key,
          { typ: TOKEN_TYPE, kid: 'default' },
          {
            iss: ISSUER,
            aud: AUDIENCE,
            sub: user.id,
            user_id: user.id,
            tenant_id: tenantId,
            project_id: tenantId,
            token_type: 'admin',
            scope: [...user.permissions].sort(),
            roles: user.roles,
            iat: issuedAt,
            nbf: issuedAt,
            exp: issuedAt + SESSION_TTL,
            jti,
            boot: bootId,
          },
        )
        attempt.note({ token_hash: tokenHash })
        await attempt.commit()
        return token
      })
    },

    async resume(token) {
      const claims = readSessionToken(token, key)
      const expiresAt = claims['exp']
      const userId = claims['sub']
      if (typeof expiresAt !== 'number' || typeof userId !== 'string') throw invalid()
      if (claims['iss'] !== ISSUER || claims['aud'] !== AUDIENCE || claims['tenant_id'] !== tenantId) {
        throw invalid()
      }
      if (expiresAt <= clock() / 1000) throw invalid()
      if (claims['boot'] !== bootId) throw invalid()
      const user = await store.users.find(userId)
      if (user === undefined || !user.active) throw invalid()
      return { user, expiresAt }
    },
  }
}

/** Throws `access_denied` unless the session may use AuthSec's admin routes. */
export function assertAdmin({ user }: Session): void {
  if (!user.permissions.has(ADMIN_PERMISSION)) {
    throw new AuthsecError('access_denied', 'token is valid but lacks required permissions', {
      hint: `The permission ${ADMIN_PERMISSION} is required.`,
    })
  }
}

function readSessionToken(token: string, key: SigningKey) {
  try {
    const parsed = parseJwt(token)
    if (parsed.header['typ'] === TOKEN_TYPE && hasValidSignature(key, parsed)) return parsed.claims
  } catch {
    // A malformed token and a foreign one get the same answer.
  }
  throw invalid()
}

function invalid(): AuthsecError {
  return new AuthsecError('login_required', 'Invalid or expired token')
}
