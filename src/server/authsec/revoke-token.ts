import { isUuid } from '../../authority/clients.js'
import { AuthsecError } from '../../core/errors.js'
import { authsecPaths, type Endpoint } from '../endpoint.js'

/** An admin ends an agent's delegation: pulls and exchanges are refused at once. */
export const revokeToken: Endpoint<'admin'> = {
  method: 'POST',
  paths: authsecPaths('/uflow/admin/agents/:id/revoke-token'),
  access: 'admin',
  modes: ['dev'],
  summary: "Revoke an agent's delegation",
  speaks: 'AuthSec A',
  event: 'delegation.revoked',
  errors: 'authsec',
  refusals: {
    no_delegation: [404, 'No active delegation token found for this agent'],
  },

  async handle(_request, { authority, caller, params, provenance }) {
    const clientId = (params['id'] ?? '').toLowerCase()
    if (!isUuid(clientId)) throw new AuthsecError('invalid_request', 'Invalid agent ID')
    await authority.delegations.revoke(clientId, caller.user, provenance)
    return Response.json({
      status: 'revoked',
      client_id: clientId,
      message: 'Delegation token revoked successfully',
    })
  },
}
