import { authsecPaths, type Endpoint } from '../endpoint.js'
import { readInteger, requireString } from '../fields.js'
import { readId, readRequest } from './request.js'

export const provisionIdentity: Endpoint<'admin'> = {
  method: 'POST',
  paths: authsecPaths('/uflow/admin/agents/:id/provision-identity'),
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'Give an agent its SPIFFE identity',
  speaks: 'AuthSec A',
  differences: 'No workload entry lies behind it: parent_id and ttl are read and not used.',
  event: 'identity.provisioned',
  errors: 'authsec',
  refusals: {
    client_not_found: [404, 'Agent not found'],
    client_inactive: [400, 'Agent is not active'],
    conflict: [409, 'Agent already has a SPIFFE identity'],
  },

  async handle(request, { authority, caller, params, provenance }) {
    const clientId = readId(params, 'Invalid agent ID')
    await readRequest(request, (body) => [requireString(body, 'parent_id'), readInteger(body, 'ttl')])
    const agent = await authority.identities.provision(clientId, caller, provenance)
    return Response.json(
      {
        spiffe_id: agent.spiffeId,
        client_id: agent.id,
        tenant_id: authority.identity.tenantId,
        message: 'SPIFFE identity provisioned successfully',
      },
      { status: 201 },
    )
  },
}

export const revokeIdentity: Endpoint<'admin'> = {
  method: 'DELETE',
  paths: authsecPaths('/uflow/admin/agents/:id/revoke-identity'),
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'Take an agent its SPIFFE identity',
  speaks: 'AuthSec A',
  differences: 'It revokes the delegation of the agent too: the base token names the identity that is gone.',
  event: 'identity.revoked',
  errors: 'authsec',
  refusals: {
    client_not_found: [404, 'Agent not found'],
    identity_missing: [400, 'Agent does not have a SPIFFE identity'],
  },

  async handle(_request, { authority, caller, params, provenance }) {
    const { id } = await authority.identities.revoke(readId(params, 'Invalid agent ID'), caller, provenance)
    return Response.json({
      status: 'revoked',
      client_id: id,
      message: 'SPIFFE identity revoked successfully',
    })
  },
}
