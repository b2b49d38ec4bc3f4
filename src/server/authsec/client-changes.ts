import type { ClientPatch } from '../../authority/client-changes.js'
import type { JsonObject } from '../../core/strict-json.js'
import { formatTime } from '../../core/time.js'
import { readJson } from '../body.js'
import { authsecPaths, type Endpoint } from '../endpoint.js'
import { readBoolean, readString, readStrings, requireString } from '../fields.js'
import { assertTenant, CLIENTS } from './tenant.js'
import { formatClient, readClientStatus } from './wire.js'

const AT_ONCE = 'It decides the next pull and exchange; AuthSec goes on handing out the token.'

export const replaceClient: Endpoint<'admin'> = {
  method: 'PUT',
  paths: authsecPaths(`${CLIENTS}/:id`),
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'Change a client; what is left out stays',
  speaks: 'AuthSec A',
  differences: AT_ONCE,
  event: 'client.updated',
  errors: 'authsec',
  // The status is AuthSec's.
  refusals: { conflict: [500, 'Default client cannot be updated'] },

  async handle(request, { authority, caller, params, provenance }) {
    assertTenant(params, authority.identity.tenantId)
    const patch = readPatch(await readJson(request))
    const client = await authority.clients.update(params['id'] ?? '', patch, caller, provenance)
    return Response.json(formatClient(client, authority.identity.tenantId))
  },
}

export const patchClient: Endpoint<'admin'> = { ...replaceClient, method: 'PATCH' }

export const activateClient: Endpoint<'admin'> = {
  method: 'PATCH',
  paths: authsecPaths(`${CLIENTS}/:id/activate`),
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'Let a client act again',
  speaks: 'AuthSec A',
  differences: AT_ONCE,
  event: 'client.activated',
  errors: 'authsec',

  async handle(_request, { authority, caller, params, provenance }) {
    assertTenant(params, authority.identity.tenantId)
    const client = await authority.clients.activate(params['id'] ?? '', caller, provenance)
    return Response.json({
      message: 'Client activated successfully',
      client: formatClient(client, authority.identity.tenantId),
    })
  },
}

export const deactivateClient: Endpoint<'admin'> = {
  ...activateClient,
  paths: authsecPaths(`${CLIENTS}/:id/deactivate`),
  summary: 'Keep a client from acting',
  event: 'client.deactivated',

  async handle(_request, { authority, caller, params, provenance }) {
    assertTenant(params, authority.identity.tenantId)
    const client = await authority.clients.deactivate(params['id'] ?? '', caller, provenance)
    return Response.json({
      message: 'Client deactivated successfully',
      client: formatClient(client, authority.identity.tenantId),
    })
  },
}

export const setClientStatus: Endpoint<'admin'> = {
  method: 'POST',
  paths: authsecPaths(`${CLIENTS}/set-status`),
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'Activate or deactivate a client',
  speaks: 'AuthSec A',
  differences: AT_ONCE,
  event: 'client.updated',
  errors: 'authsec',

  async handle(request, { authority, caller, params, provenance }) {
    const { tenantId } = authority.identity
    const body = await readJson(request)
    const clientId = readTarget(body, params, tenantId)
    const active = readBoolean(body, 'active') ?? false
    const { clients } = authority
    const client = await (active ? clients.activate : clients.deactivate)(clientId, caller, provenance)
    return Response.json({
      message: 'Client status updated successfully',
      success: true,
      data: {
        tenant_id: tenantId,
        client_id: client.id,
        active: client.active,
        client: formatClient(client, tenantId),
      },
      timestamp: formatTime(authority.clock()),
    })
  },
}

export const deleteClient: Endpoint<'admin'> = {
  method: 'DELETE',
  paths: authsecPaths(`${CLIENTS}/:id`),
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'Delete a client and keep its traces',
  speaks: 'AuthSec A',
  differences: AT_ONCE,
  event: 'client.deleted',
  errors: 'authsec',

  async handle(_request, { authority, caller, params, provenance }) {
    assertTenant(params, authority.identity.tenantId)
    const { id } = await authority.clients.remove(params['id'] ?? '', caller, provenance)
    return Response.json({ message: 'Client soft deleted successfully', id, deleted: true })
  },
}

export const softDeleteClient: Endpoint<'admin'> = {
  ...deleteClient,
  method: 'PATCH',
  paths: authsecPaths(`${CLIENTS}/:id/soft-delete`),
}

export const eraseClient: Endpoint<'admin'> = {
  method: 'POST',
  paths: authsecPaths(`${CLIENTS}/delete-complete`),
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'Delete a client, its delegation and the policies bound to it',
  speaks: 'AuthSec A',
  differences:
    'The policies that are bound to it go too, because without it they would be open to every agent.',
  event: 'client.deleted',
  errors: 'authsec',
  refusals: { conflict: [403, 'Default client cannot be deleted'] },

  async handle(request, { authority, caller, params, provenance }) {
    const { tenantId } = authority.identity
    const clientId = readTarget(await readJson(request), params, tenantId)
    const client = await authority.clients.erase(clientId, caller, provenance)
    return Response.json({
      message: 'Client deleted completely',
      tenant_id: tenantId,
      client_id: client.id,
    })
  },
}

/** The client that a body names, which names the tenant once more. */
function readTarget(body: JsonObject, params: Readonly<Record<string, string>>, tenantId: string): string {
  assertTenant(params, tenantId)
  assertTenant({ tenant: requireString(body, 'tenant_id') }, tenantId)
  return requireString(body, 'client_id')
}

function readPatch(body: JsonObject): ClientPatch {
  return {
    name: readString(body, 'name'),
    email: readString(body, 'email'),
    active: readBoolean(body, 'active') ?? readClientStatus(readString(body, 'status')),
    tags: readStrings(body, 'tags'),
    hydraClientId: readString(body, 'hydra_client_id'),
    oidcEnabled: readBoolean(body, 'oidc_enabled'),
  }
}
