import { readClientId } from '../../authority/clients.js'
import { mayStandIn } from '../../authority/stand-ins.js'
import type { AuditParty } from '../../core/audit-record.js'
import { AuthsecError } from '../../core/errors.js'
import { formatTime } from '../../core/time.js'
import { readClientRequest } from '../body.js'
import { readBearer } from '../caller.js'
import { authsecPaths, type Endpoint, type EndpointContext } from '../endpoint.js'
import { readQueryString } from '../fields.js'

const PULL = {
  paths: [...authsecPaths('/uflow/sdk/delegation-token'), '/sdk/delegation-token'],
  access: 'public',
  modes: ['dev', 'shared'],
  event: 'delegation.pulled',
  limit: 'pull',
  errors: 'authsec',
  refusals: {
    client_not_found: [404, 'Client not found'],
    no_delegation: [404, 'No active delegation token found', 'hint'],
    delegation_expired: [410, 'Delegation token has expired', 'hint'],
  },
} as const

/**
 * The agent's pull. On a developer's machine it is public, because AuthSec's published SDKs send nothing but the
 * client id; on a shared server the client proves who it is, or its delegator or an admin asks.
 */
export const delegationToken: Endpoint<'public'> = {
  ...PULL,
  method: 'GET',
  summary: "Pull an agent's base token",
  speaks: 'AuthSec A',
  differences:
    'none for a disabled client or user; in shared mode only to the client, who proves it, its delegator in person or an admin',

  async handle(request, context) {
    const clientId = readAgent(request)
    const puller = context.mode === 'shared' ? await findPuller(clientId, request, context) : undefined
    return answerPull(clientId, context, puller)
  },
}

/** The same pull for clients that authenticate as they do at the token endpoint, whatever their method. */
export const delegationTokenByForm: Endpoint<'public'> = {
  ...PULL,
  method: 'POST',
  summary: "Pull an agent's base token with client authentication",
  speaks: 'authsec',

  async handle(request, context) {
    const { authority, provenance } = context
    const { id } = await authority.clientAuthentication.authenticate(
      await readClientRequest(request),
      provenance,
    )
    return answerPull(id, context)
  },
}

function readAgent(request: Request): string {
  const query = new URL(request.url).searchParams
  const clientId = readQueryString(query, 'client_id') || request.headers.get('x-client-id')
  if (!clientId) {
    throw new AuthsecError('invalid_request', 'client_id is required (query param or X-Client-ID header)')
  }
  return readClientId(clientId)
}

/** Whoever may pull where that takes a proof; undefined for the agent itself. Throws `no_delegation` for anybody else. */
async function findPuller(
  clientId: string,
  request: Request,
  { authority: { clientAuthentication, delegations, sessions }, provenance }: EndpointContext<'public'>,
): Promise<AuditParty | undefined> {
  const authorization = request.headers.get('authorization')
  if (authorization !== null && /^Basic /i.test(authorization)) {
    const form = new Map([['client_id', clientId]])
    await clientAuthentication.authenticate({ form, authorization }, provenance)
    return undefined
  }
  const session = await sessions.resume(readBearer(request))
  if (mayStandIn(session, { clientId, userId: await delegations.findDelegator(clientId) })) {
    if (session.clientId === clientId) return undefined
    provenance.act = session.act
    return { type: 'user', id: session.user.id }
  }
  // Who has delegated to whom is nobody else's business.
  throw new AuthsecError('no_delegation', 'No active delegation token found')
}

async function answerPull(
  clientId: string,
  { authority, provenance }: EndpointContext<'public'>,
  puller?: AuditParty,
): Promise<Response> {
  const { client, delegation, token } = await authority.delegations.pull(clientId, provenance, puller)
  return Response.json({
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
  })
}
