import type { ClientListQuery } from '../../authority/clients.js'
import { AuthsecError } from '../../core/errors.js'
import { quote } from '../../core/printable.js'
import { formatTime } from '../../core/time.js'
import { readJson } from '../body.js'
import { authsecPaths, type Endpoint, type EndpointContext } from '../endpoint.js'
import {
  readBoolean,
  readQueryBoolean,
  readQueryInteger,
  readQueryString,
  readString,
  readStringMap,
  requireString,
} from '../fields.js'
import { assertTenant, CLIENTS } from './tenant.js'
import { formatClient, formatListedClient } from './wire.js'

const NEEDS_ADMIN = 'It needs admin:access; AuthSec asks only for a session of the tenant.'
const PROVES_NOTHING =
  'the client cannot prove who it is yet, and gets no token by itself: give it a public key with authsec client update ' +
  'ID --jwks FILE, or a trust rule with authsec trust create'
// The legacy list has no pages.
const EVERY_CLIENT = 100_000

export const createClient: Endpoint<'admin'> = {
  method: 'POST',
  paths: authsecPaths(`${CLIENTS}/create`),
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'Register a client',
  speaks: 'AuthSec A',
  differences: `${NEEDS_ADMIN} No secret is made, which shared mode warns of, and what is refused leaves no client behind.`,
  event: 'client.registered',
  errors: 'authsec',

  async handle(request, { authority, mode, caller, params, provenance }) {
    assertTenant(params, authority.identity.tenantId)
    const body = await readJson(request)
    const client = await authority.clients.register(
      {
        name: requireString(body, 'name'),
        email: requireString(body, 'email'),
        clientType: readString(body, 'client_type'),
        agentType: readString(body, 'agent_type'),
        platform: readString(body, 'platform'),
        selectors: readStringMap(body, 'selectors'),
      },
      caller,
      provenance,
    )
    return Response.json(
      {
        id: client.id,
        client_id: client.id,
        tenant_id: authority.identity.tenantId,
        project_id: authority.identity.tenantId,
        name: client.name,
        email: client.email,
        active: client.active,
        ...(client.spiffeId !== undefined && { spiffe_id: client.spiffeId }),
        created_at: formatTime(client.createdAt),
        message: 'Client registered successfully',
        ...(mode === 'shared' && { warnings: [PROVES_NOTHING] }),
      },
      { status: 201 },
    )
  },
}

export const listClients: Endpoint<'admin'> = {
  method: 'GET',
  paths: authsecPaths(`${CLIENTS}/getClients`),
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'List clients, newest first',
  speaks: 'AuthSec A',
  differences: `${NEEDS_ADMIN} page below 1 and limit outside of 1 to 100 are 400.`,
  event: 'client.read',
  errors: 'authsec',

  async handle(request, context) {
    assertTenant(context.params, context.authority.identity.tenantId)
    return list(request, context)
  },
}

/** The same list under the path of AuthSec's operators. */
export const listAdminClients: Endpoint<'admin'> = {
  ...listClients,
  paths: [...authsecPaths('/clientms/admin/clients'), ...authsecPaths('/clientms/admin/clients/')],
  differences: 'It needs admin:access instead of clients:admin.',
  handle: (request, context) => list(request, context),
}

export const listClientsLegacy: Endpoint<'admin'> = {
  method: 'POST',
  paths: authsecPaths(`${CLIENTS}/getClients`),
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'List clients in the older form',
  speaks: 'AuthSec A',
  differences: NEEDS_ADMIN,
  event: 'client.read',
  errors: 'authsec',

  async handle(request, { authority, params }) {
    const { tenantId } = authority.identity
    assertTenant(params, tenantId)
    const body = await readJson(request)
    assertTenant({ tenant: readString(body, 'tenant_id') ?? tenantId }, tenantId)
    const activeOnly = readBoolean(body, 'active_only') ?? false
    const { clients } = await authority.clients.list({
      active: activeOnly ? true : undefined,
      page: 1,
      limit: EVERY_CLIENT,
    })
    return Response.json({
      message: 'Clients retrieved successfully',
      success: true,
      data: {
        tenant_id: tenantId,
        clients: clients.map((client) => formatListedClient(client, tenantId)),
        count: clients.length,
        active_only: activeOnly,
      },
      timestamp: formatTime(authority.clock()),
    })
  },
}

export const showClient: Endpoint<'admin'> = {
  method: 'GET',
  paths: authsecPaths(`${CLIENTS}/:id`),
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'Show a client',
  speaks: 'AuthSec A',
  differences: NEEDS_ADMIN,
  event: 'client.read',
  errors: 'authsec',

  async handle(_request, { authority, params }) {
    assertTenant(params, authority.identity.tenantId)
    const client = await authority.clients.find(params['id'] ?? '')
    return Response.json(formatClient(client, authority.identity.tenantId))
  },
}

async function list(request: Request, { authority }: EndpointContext<'admin'>): Promise<Response> {
  const { tenantId } = authority.identity
  const query = new URL(request.url).searchParams
  const page = readQueryInteger(query, 'page', { min: 1, max: 1_000_000 }) ?? 1
  const limit = readQueryInteger(query, 'limit', { min: 1, max: 100 }) ?? 10
  const { clients, total } = await authority.clients.list({
    name: readQueryString(query, 'name'),
    email: readQueryString(query, 'email'),
    tags: readQueryString(query, 'tags')?.split(',').filter(Boolean),
    ...readState(query),
    page,
    limit,
  })
  return Response.json({
    clients: clients.map((client) => formatListedClient(client, tenantId)),
    pagination: { page, limit, total, total_pages: Math.ceil(total / limit) },
    // There is no Hydra here.
    hydra_public_url: '',
  })
}

function readState(query: URLSearchParams): Pick<ClientListQuery, 'active' | 'deleted'> {
  const active = readQueryBoolean(query, 'active')
  const activeOnly = readQueryBoolean(query, 'active_only')
  const deleted = readQueryBoolean(query, 'deleted')
  const status = readQueryString(query, 'status')
  switch (status?.toLowerCase()) {
    case undefined:
      return { active: activeOnly ? true : active, deleted }
    case 'active':
      return { active: true, deleted }
    case 'inactive':
      return { active: false, deleted }
    case 'deleted':
      return { deleted: true }
    default:
      throw new AuthsecError(
        'invalid_request',
        `status ${quote(status)} is none of Active, Inactive, Deleted`,
      )
  }
}
