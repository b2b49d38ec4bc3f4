import { MAX_CALL_TTL } from '../core/delegation.js'
import { AuthsecError } from '../core/errors.js'
import type { Transaction } from '../store/store.js'
import type { AuditLog, Provenance } from './audit/log.js'
import { type AskerOptions, findAsker, noteToken } from './introspection.js'
import type { IssuedToken, IssuedTokens } from './issued-tokens.js'
import { type ClientRequest, readAskedToken } from './presented-client.js'
import type { Session } from './sessions.js'

export interface Revocation {
  /**
   * Revokes a token and everything that descends from it, at once (RFC 7009 §2). What is no token of this server is
   * a success too, so that a probe learns nothing. An admin may revoke every token, a client its own. Throws
   * `invalid_client`, `invalid_request` without a token, and `unauthorized_client` for the token of another client.
   */
  revoke(request: ClientRequest, provenance: Provenance): Promise<void>
  /**
   * Revokes by its id a token that nobody has at hand: a call token, a session, or a base token with its delegation. An
   * unknown id is a success too: no token of that id is alive afterwards.
   */
  revokeById(jti: string, admin: Session, provenance: Provenance): Promise<void>
}

export function createRevocation(
  options: AskerOptions & { audit: AuditLog; clock: () => number; issuedTokens: IssuedTokens },
): Revocation {
  const { audit, clock, issuedTokens } = options
  return {
    revoke(request, provenance) {
      return audit.attempt({ type: 'token.revoked' }, provenance, async (attempt) => {
        const asker = await findAsker(request, attempt, provenance, options)
        const token = await issuedTokens.recognize(readAskedToken(request))
        if (token === undefined) {
          attempt.note({ details: { known: false } })
          return attempt.commit()
        }
        noteToken(attempt, token)
        if (asker !== 'admin' && token.clientId !== asker.id) {
          throw new AuthsecError('unauthorized_client', 'the token was issued to another client')
        }
        await attempt.commit((transaction) => revoke(token, transaction, clock()))
      })
    },

    revokeById(jti, { user }, provenance) {
      const actor = { type: 'user', id: user.id } as const
      return audit.attempt({ type: 'token.revoked', actor, jti }, provenance, (attempt) =>
        attempt.commit(async (transaction) => {
          const now = clock()
          const delegation = await transaction.delegations.findByJti(jti)
          if (delegation?.status === 'active') {
            attempt.note({ client: delegation.clientId, delegation: delegation.id })
            await transaction.delegations.setStatus(delegation.clientId, 'revoked', now)
          }
          await transaction.sessions.remove(jti)
          // No call token that is out already lives longer.
          await transaction.revocations.insert({ jti, expiresAt: now + MAX_CALL_TTL * 1000 })
        }),
      )
    },
  }
}

async function revoke(
  { jti, clientId, expiresAt, origin }: IssuedToken,
  to: Transaction,
  now: number,
): Promise<void> {
  switch (origin.kind) {
    case 'session':
      return to.sessions.remove(jti)
    case 'base': {
      // The row stands for its one live base token: an older one is dead already.
      const delegation = clientId && (await to.delegations.findByClient(clientId))
      if (delegation && delegation.status === 'active' && delegation.jti === jti) {
        await to.delegations.setStatus(delegation.clientId, 'revoked', now)
      }
      return
    }
    default:
      await to.revocations.insert({ jti, expiresAt: expiresAt * 1000 })
  }
}
