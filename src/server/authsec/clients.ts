import { AuthsecError } from '../../core/errors.js'
import { formatTime } from '../../core/time.js'
import { readJson } from '../body.js'
import { authsecPaths, type Endpoint } from '../endpoint.js'
import {
  readQueryBoolean,
  readQueryInteger,
  readQueryString,
  readString,
  readStringMap,
  requireString,
} from '../fields.js'
import { formatClient } from './wire.js'

const CLIENTS = '/clientms/tenants/:tenant/clients'

export const createClient: Endpoint<'admin'> = {
  method: 'POST',
  paths: authsecPaths(`${CLIENTS}/create`),
  access: 'admin',
  modes: ['dev'],
  summary: 'Register a client',
  speaks: 'AuthSec A',
  event: 'client.registered',
  errors: 'authsec',

  async handle(request, { authority, caller, params, provenance }) {
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
      },
      { status: 201 },
    )
  },
}

export const listClients: Endpoint<'admin'> = {
  method: 'GET',
  paths: authsecPaths(`${CLIENTS}/getClients`),
  access: 'admin',
  modes: ['dev'],
  summary: 'List clients, newest first',
  speaks: 'AuthSec A',
  event: 'client.read',
  errors: 'authsec',

  async handle(request, { authority, params }) {
    const { tenantId } = authority.identity
    assertTenant(params, tenantId)
    const query = new URL(request.url).searchParams
    const page = readQueryInteger(query, 'page', { min: 1, max: 1_000_000 }) ?? 1
    const limit = readQueryInteger(query, 'limit', { min: 1, max: 100 }) ?? 10
    const { clients, total } = await authority.clients.list({
      name: readQueryString(query, 'name'),
      active: readActive(query),
      page,
      limit,
    })
    return Response.json({
      clients: clients.map((client) => formatClient(client, tenantId)),
      pagination: { page, limit, total, total_pages: Math.ceil(total / limit) },
    })
  },
}

export const showClient: Endpoint<'admin'> = {
  method: 'GET',
  paths: authsecPaths(`${CLIENTS}/:id`),
  access: 'admin',
  modes: ['dev'],
  summary: 'Show a client',
  speaks: 'AuthSec A',
  event: 'client.read',
  errors: 'authsec',

  async handle(_request, { authority, params }) {
    assertTenant(params, authority.identity.tenantId)
    const client = await authority.clients.find(params['id'] ?? '')
    return Response.json(formatClient(client, authority.identity.tenantId))
  },
}

function readActive(query: URLSearchParams): boolean | undefined {
  const active = readQueryBoolean(query, 'active')
  return readQueryBoolean(query, 'active_only') ? true : active
}

function assertTenant(params: Readonly<Record<string, string>>, tenantId: string): void {
  if (params['tenant']?.toLowerCase() === tenantId) return
  throw new AuthsecError('tenant_mismatch', 'tenant ID mismatch between token and URL')
}
