import { authsecPaths, type Endpoint } from '../endpoint.js'
import { readId } from './request.js'

/** An admin ends an agent's delegation: pulls and exchanges are refused at once. */
export const revokeToken: Endpoint<'admin'> = {
  method: 'POST',
  paths: authsecPaths('/uflow/admin/agents/:id/revoke-token'),
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: "Revoke an agent's delegation",
  speaks: 'AuthSec A',
  differences: 'It ends exchanges and introspection of what was pulled already, not only the next pull.',
  event: 'delegation.revoked',
  errors: 'authsec',
  refusals: {
    no_delegation: [404, 'No active delegation token found for this agent'],
  },

  async handle(_request, { authority, caller, params, provenance }) {
    const clientId = readId(params, 'Invalid agent ID')
    await authority.delegations.revoke(clientId, caller.user, provenance)
    return Response.json({
      status: 'revoked',
      client_id: clientId,
      message: 'Delegation token revoked successfully',
    })
  },
}
