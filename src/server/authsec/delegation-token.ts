import { isUuid } from '../../authority/clients.js'
import { AuthsecError } from '../../core/errors.js'
import { formatTime } from '../../core/time.js'
import { authsecPaths, type Endpoint } from '../endpoint.js'
import { readQueryString } from '../fields.js'

/** The agent's pull: public, because AuthSec's published SDKs send nothing but the client id. */
export const delegationToken: Endpoint<'public'> = {
  method: 'GET',
  paths: [...authsecPaths('/uflow/sdk/delegation-token'), '/sdk/delegation-token'],
  access: 'public',
  modes: ['dev'],
  summary: "Pull an agent's base token",
  speaks: 'AuthSec A',
  event: 'delegation.pulled',
  errors: 'authsec',
  refusals: {
    client_not_found: [404, 'Client not found'],
    no_delegation: [404, 'No active delegation token found'],
    delegation_expired: [410, 'Delegation token has expired'],
  },

  async handle(request, { authority, provenance }) {
    const query = new URL(request.url).searchParams
    const clientId = readQueryString(query, 'client_id') || request.headers.get('x-client-id')
    if (!clientId) {
      throw new AuthsecError('invalid_request', 'client_id is required (query param or X-Client-ID header)')
    }
    if (!isUuid(clientId)) throw new AuthsecError('invalid_request', 'Invalid client_id format')

    const { client, delegation, token } = await authority.delegations.pull(clientId.toLowerCase(), provenance)
    return Response.json(
      {
        token,
        spiffe_id: client.spiffeId,
        permissions: delegation.permissions,
        audience: delegation.audience,
        expires_at: formatTime(delegation.expiresAt),
        ttl_seconds: delegation.ttlSeconds,
        client_id: client.id,
        tenant_id: authority.identity.tenantId,
        status: 'active',
        issued_at: formatTime(delegation.createdAt),
        updated_at: formatTime(delegation.updatedAt),
      },
      { headers: { 'cache-control': 'no-store' } },
    )
  },
}
