import { AUTHSEC_AUDIENCE } from '../core/delegation.js'
import { AuthsecError } from '../core/errors.js'
import { parseJwt } from '../core/jwt.js'
import { intersectPermissions, type Permissions } from '../core/permission.js'
import { delegablePermissions } from '../core/policy.js'
import type { Store } from '../store/store.js'
import type { Parties } from './audit/log.js'
import type { BaseTokens } from './base-tokens.js'
import { ADMIN_PERMISSION, isPersonal, lacksPermission, type Sessions } from './sessions.js'
import { assertStanding } from './standing.js'

/** A person with a session, or an agent with its base token or with a session that a person has let it have. */
export interface Caller {
  userId: string
  permissions: Permissions
  isAgent: boolean
  parties: Parties
}

export interface Callers {
  /**
   * Who shows this `Authorization`. An agent's token has to be for AuthSec itself and to be the live one, and is
   * worth what its delegation is worth now. Throws `login_required` in AuthSec's words.
   */
  resume(authorization: string | null): Promise<Caller>
}

export function createCallers(options: {
  store: Store
  sessions: Sessions
  baseTokens: BaseTokens
  clock: () => number
}): Callers {
  const { store, sessions, baseTokens, clock } = options

  async function resumeAgent(token: string, audience: unknown): Promise<Caller> {
    const { clientId, jti } = attempt(() => baseTokens.verify(token), 'SPIFFE token verification failed')
    if (!Array.isArray(audience) || !audience.includes(AUTHSEC_AUDIENCE))
      throw refused('Invalid SPIFFE token')
    const standing = await store.delegations.findStanding(clientId, AUTHSEC_AUDIENCE)
    const { delegation, user, policy } = attempt(() => {
      assertStanding(standing, { jti, now: clock() })
      return standing
    }, 'SPIFFE token has been revoked or is no longer valid')
    return {
      userId: user.id,
      isAgent: true,
      permissions: intersectPermissions(
        delegation.permissions,
        delegablePermissions(user.permissions, policy),
      ),
      parties: {
        actor: { type: 'client', id: clientId },
        subject: { type: 'user', id: user.id },
        client: clientId,
        delegation: delegation.id,
        parent_jti: jti,
      },
    }
  }

  return {
    async resume(authorization) {
      if (authorization === null) throw refused('Missing authorization token')
      const [, token] = /^Bearer ([^\s]+)$/i.exec(authorization) ?? []
      if (token === undefined) throw refused('Invalid token format')
      const { claims } = attempt(() => parseJwt(token), 'Invalid token format')
      const { sub, aud } = claims
      if (typeof sub === 'string' && sub.startsWith('spiffe://')) return resumeAgent(token, aud)
      const session = await sessions.resume(token)
      const { user, clientId } = session
      const party = { type: 'user', id: user.id } as const
      return {
        userId: user.id,
        isAgent: !isPersonal(session),
        permissions: user.permissions,
        parties:
          clientId === undefined
            ? { actor: party }
            : { actor: { type: 'client', id: clientId }, subject: party, client: clientId },
      }
    },
  }
}

/** Throws `access_denied` without a permission; a person with `admin:access` needs no other. */
export function assertPermitted({ permissions, isAgent }: Caller, permission: string): void {
  if (permissions.has(permission) || (!isAgent && permissions.has(ADMIN_PERMISSION))) return
  throw lacksPermission(permission)
}

function attempt<T>(check: () => T, refusal: string): T {
  try {
    return check()
  } catch (error) {
    if (!AuthsecError.is(error)) throw error
    throw refused(refusal, error.message)
  }
}

function refused(message: string, hint?: string): AuthsecError {
  return new AuthsecError('login_required', message, { hint })
}
