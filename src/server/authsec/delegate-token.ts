import { AuthsecError } from '../../core/errors.js'
import { authsecPaths, type Endpoint } from '../endpoint.js'
import { readInteger, readStrings, requireString } from '../fields.js'
import { readId, readRequest } from './request.js'
import { formatGrant } from './wire.js'

/** An admin delegates to an agent; the former base token of the agent is dead from then on. */
export const delegateToken: Endpoint<'admin'> = {
  method: 'POST',
  paths: authsecPaths('/uflow/admin/agents/:id/delegate-token'),
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'Delegate to an agent',
  speaks: 'AuthSec A',
  differences:
    'agent_type has to be the registered one of the agent, ttl_seconds is at most 24 h, audience has at most 100 entries and has to name an API of the policy (or `authsec-api`, for all of them; otherwise 403, where AuthSec takes any), and warnings tell what is broad.',
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
    const clientId = readId(params, 'Invalid agent ID')
    const asked = await readRequest(request, (body) => {
      const agentType = requireString(body, 'agent_type')
      const audience = readStrings(body, 'audience') ?? []
      if (audience.length === 0) throw new AuthsecError('invalid_request', 'audience is required')
      return { agentType, audience, ttlSeconds: readInteger(body, 'ttl_seconds') }
    })
    const granted = await authority.delegations.grant({ clientId, ...asked }, caller.user, provenance)
    return Response.json(formatGrant(granted))
  },
}
