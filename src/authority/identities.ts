import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { readUuid } from '../core/uuid.js'
import type { Client, Store } from '../store/store.js'
import type { AuditLog, Provenance } from './audit/log.js'
import { findAgent, formatSpiffeId } from './clients.js'
import type { Agent } from './delegation-terms.js'
import type { Session } from './sessions.js'

export interface Identities {
  /**
   * Gives an agent its SPIFFE id. Throws `client_not_found`, `client_inactive`, `invalid_request` for one without
   * an agent type, and `conflict` with the id that it has already.
   */
  provision(clientId: string, session: Session, provenance: Provenance): Promise<Agent>
  /**
   * Takes an agent its SPIFFE id, and with it what was delegated under that name. Throws `client_not_found`, and
   * `identity_missing` when it has none.
   */
  revoke(clientId: string, session: Session, provenance: Provenance): Promise<Client>
}

export function createIdentities(options: {
  store: Store
  audit: AuditLog
  clock: () => number
  tenantId: string
}): Identities {
  const { audit, clock, tenantId } = options

  return {
    provision(clientId, session, provenance) {
      const draft = { type: 'identity.provisioned', ...describeParties(clientId, session) } as const
      return audit.attempt(draft, provenance, (attempt) =>
        attempt.commit(async (transaction) => {
          const client = await findAgent(transaction, clientId)
          if (!client.active) {
            throw new AuthsecError('client_inactive', `agent ${quote(client.name)} is not active`)
          }
          if (client.agentType === undefined) {
            throw new AuthsecError('invalid_request', `agent ${quote(client.name)} has no agent_type`)
          }
          if (client.spiffeId !== undefined) {
            throw new AuthsecError('conflict', `agent ${quote(client.name)} has an identity already`, {
              details: { spiffe_id: client.spiffeId },
            })
          }
          const spiffeId = formatSpiffeId(tenantId, client.agentType, client.id)
          const agent = { ...client, spiffeId, updatedAt: clock() }
          await transaction.clients.update(agent)
          attempt.note({ details: { spiffe_id: spiffeId } })
          return agent
        }),
      )
    },

    revoke(clientId, session, provenance) {
      const draft = { type: 'identity.revoked', ...describeParties(clientId, session) } as const
      return audit.attempt(draft, provenance, (attempt) =>
        attempt.commit(async (transaction) => {
          const client = await findAgent(transaction, clientId)
          if (client.spiffeId === undefined) {
            throw new AuthsecError('identity_missing', `agent ${quote(client.name)} has no SPIFFE identity`)
          }
          const now = clock()
          const stripped = { ...client, spiffeId: undefined, updatedAt: now }
          await transaction.clients.update(stripped)
          // Its base token names the identity that is gone.
          const delegation = await transaction.delegations.findByClient(client.id)
          if (delegation?.status === 'active') {
            await transaction.delegations.setStatus(client.id, 'revoked', now)
            attempt.note({ delegation: delegation.id, jti: delegation.jti })
          }
          attempt.note({ details: { spiffe_id: client.spiffeId } })
          return stripped
        }),
      )
    },
  }
}

function describeParties(clientId: string, { user }: Session) {
  return { actor: { type: 'user', id: user.id }, client: readUuid(clientId) } as const
}
