import { isUuid } from '../../authority/clients.js'
import { AuthsecError } from '../../core/errors.js'
import { formatTime } from '../../core/time.js'
import { readJson } from '../body.js'
import { authsecPaths, type Endpoint } from '../endpoint.js'
import { readInteger, readStrings, requireString } from '../fields.js'

/** An admin delegates to an agent; the former base token of the agent is dead from then on. */
export const delegateToken: Endpoint<'admin'> = {
  method: 'POST',
  paths: authsecPaths('/uflow/admin/agents/:id/delegate-token'),
  access: 'admin',
  modes: ['dev'],
  summary: 'Delegate to an agent',
  speaks: 'AuthSec A',
  event: 'delegation.granted',
  errors: 'authsec',
  refusals: {
    client_not_found: [404, 'Agent not found'],
    client_inactive: [400, 'Agent is not active'],
    identity_missing: [400, 'Agent does not have a SPIFFE identity. Provision identity first.'],
    delegation_not_allowed: [403, 'Delegation not allowed'],
    nothing_to_delegate: [403, 'No permissions to delegate after intersection'],
  },

  async handle(request, { authority, caller, params, provenance }) {
    const clientId = params['id'] ?? ''
    if (!isUuid(clientId)) throw new AuthsecError('invalid_request', 'Invalid agent ID')
    const body = await readJson(request)
    const audience = readStrings(body, 'audience')
    if (audience === undefined || audience.length === 0) {
      throw new AuthsecError('invalid_request', 'audience is required')
    }
    const { client, delegation, token, warnings } = await authority.delegations.grant(
      {
        clientId,
        agentType: requireString(body, 'agent_type'),
        audience,
        ttlSeconds: readInteger(body, 'ttl_seconds'),
      },
      caller.user,
      provenance,
    )
    return Response.json(
      {
        token,
        spiffe_id: client.spiffeId,
        expires_at: formatTime(delegation.expiresAt),
        permissions: delegation.permissions,
        audience: delegation.audience,
        ttl_seconds: delegation.ttlSeconds,
        ...(warnings.length > 0 && { warnings }),
      },
      { headers: { 'cache-control': 'no-store' } },
    )
  },
}
