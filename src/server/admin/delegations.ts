import { formatTime } from '../../core/time.js'
import type { ListedDelegation } from '../../store/store.js'
import type { Endpoint } from '../endpoint.js'
import { readQueryInteger, readQueryString } from '../fields.js'

const MOST = 1000

export const listDelegations: Endpoint<'admin'> = {
  method: 'GET',
  paths: ['/admin/delegations'],
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'List delegations, the latest first, without their tokens',
  speaks: 'authsec',
  query: ['client_id', 'limit'],
  event: 'delegation.read',
  errors: 'authsec',

  async handle(request, { authority }) {
    const query = new URL(request.url).searchParams
    const delegations = await authority.delegations.list({
      clientId: readQueryString(query, 'client_id')?.toLowerCase(),
      limit: readQueryInteger(query, 'limit', { min: 1, max: MOST }) ?? MOST,
    })
    const now = authority.clock()
    return Response.json({ delegations: delegations.map((delegation) => formatDelegation(delegation, now)) })
  },
}

// A row is marked as expired only when somebody pulls it: AuthSec tells its agent so once.
function formatDelegation(delegation: ListedDelegation, now: number): object {
  const { status, expiresAt } = delegation
  return {
    id: delegation.id,
    client_id: delegation.clientId,
    client_name: delegation.clientName,
    user_id: delegation.userId,
    policy_id: delegation.policyId,
    status: status === 'active' && expiresAt <= now ? 'expired' : status,
    permissions: delegation.permissions,
    resources: delegation.resources,
    audience: delegation.audience,
    jti: delegation.jti,
    ttl_seconds: delegation.ttlSeconds,
    issued_at: formatTime(delegation.createdAt),
    updated_at: formatTime(delegation.updatedAt),
    expires_at: formatTime(expiresAt),
  }
}
