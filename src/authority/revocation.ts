import { AuthsecError } from '../core/errors.js'
import type { Store, Transaction } from '../store/store.js'
import type { AuditLog, Provenance } from './audit/log.js'
import { type ClientAuthentication, readPresentedClient } from './client-authentication.js'
import type { IntrospectionRequest } from './introspection.js'
import type { IssuedToken, IssuedTokens } from './issued-tokens.js'

export interface Revocation {
  /**
   * Revokes a token and everything that descends from it, at once (RFC 7009 §2). What is no token of this server is
   * a success too, so that a probe learns nothing. Throws `invalid_client`, `invalid_request` without a token, and
   * `unauthorized_client` for the token of another client.
   */
  revoke(request: IntrospectionRequest, provenance: Provenance): Promise<void>
}

export function createRevocation(options: {
  store: Store
  audit: AuditLog
  clock: () => number
  issuedTokens: IssuedTokens
  clientAuthentication: ClientAuthentication
}): Revocation {
  const { audit, clock, issuedTokens, clientAuthentication } = options
  return {
    revoke({ form, authorization }, provenance) {
      return audit.attempt({ type: 'token.revoked' }, provenance, async (attempt) => {
        const presenter = clientAuthentication.present(readPresentedClient(form, authorization))
        attempt.note({ actor: { type: 'client', id: presenter.clientId } })
        const client = await clientAuthentication.find(presenter)
        const text = form.get('token')
        if (text === undefined) throw new AuthsecError('invalid_request', 'token is missing')

        const token = await issuedTokens.recognize(text)
        if (token === undefined) {
          attempt.note({ details: { known: false } })
          return attempt.commit()
        }
        attempt.note({ jti: token.jti, client: token.clientId, details: { kind: token.origin.kind } })
        if (token.userId !== undefined) attempt.note({ subject: { type: 'user', id: token.userId } })
        if (token.clientId !== client.id) {
          throw new AuthsecError('unauthorized_client', 'the token was issued to another client')
        }
        await attempt.commit((transaction) => revoke(token, transaction, clock()))
      })
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
      await to.sessions.remove(jti)
      return
    case 'base': {
      // The row stands for its one live base token: an older one is dead already.
      const delegation = clientId && (await to.delegations.findByClient(clientId))
      if (delegation && delegation.status === 'active' && delegation.jti === jti) {
        await to.delegations.setStatus(delegation.clientId, 'revoked', now)
      }
      return
    }
    default:
      await to.revocations.insert({ jti, expiresAt: expiresAt * 1000, now })
  }
}
