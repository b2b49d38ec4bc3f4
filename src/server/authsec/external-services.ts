import type { ServiceInput } from '../../authority/external-services.js'
import { AuthsecError } from '../../core/errors.js'
import { isJsonObject, type JsonObject } from '../../core/strict-json.js'
import { formatTime } from '../../core/time.js'
import type { ExternalService } from '../../store/external-services.js'
import { readJson } from '../body.js'
import { authsecPaths, type Endpoint } from '../endpoint.js'
import { readBoolean, readString, readStrings, requireString } from '../fields.js'

const SERVICES = '/exsvc/services'
const LIVE =
  'A base token has to name authsec-api in aud and to be the live one, as in AuthSec B. A session of a person with ' +
  'admin:access needs no other permission; one that a client holds is worth no more than an agent.'
const NOT_FOUND = { not_found: [404, 'service not found'] } as const

export const listServices: Endpoint<'agent'> = {
  method: 'GET',
  paths: authsecPaths(SERVICES),
  access: 'agent',
  modes: ['dev', 'shared'],
  summary: 'List external services; an agent sees those that are for agents',
  speaks: 'AuthSec A',
  differences: LIVE,
  event: 'service.read',
  errors: 'authsec',

  async handle(_request, { authority, caller }) {
    const services = await authority.externalServices.list(caller)
    return Response.json({ services: services.map(formatService) })
  },
}

export const showService: Endpoint<'agent'> = {
  ...listServices,
  paths: authsecPaths(`${SERVICES}/:id`),
  summary: 'Show an external service',
  refusals: NOT_FOUND,

  async handle(_request, { authority, caller, params }) {
    return Response.json(formatService(await authority.externalServices.find(params['id'] ?? '', caller)))
  },
}

export const openService: Endpoint<'agent'> = {
  ...listServices,
  paths: authsecPaths(`${SERVICES}/:id/credentials`),
  summary: 'Read the credentials of an external service',
  event: 'service.opened',
  refusals: NOT_FOUND,

  async handle(_request, { authority, caller, params, provenance }) {
    const { service, credentials } = await authority.externalServices.open(
      params['id'] ?? '',
      caller,
      provenance,
    )
    return Response.json({
      service_id: service.id,
      service_name: service.name,
      service_type: service.type,
      auth_type: service.authType,
      url: service.url,
      credentials,
      metadata: {},
      retrieved_at: formatTime(authority.clock()),
    })
  },
}

export const createService: Endpoint<'agent'> = {
  ...listServices,
  method: 'POST',
  summary: 'Add an external service',
  event: 'service.created',

  async handle(request, { authority, caller, provenance }) {
    const body = await readJson(request)
    const input = { ...readInput(body), name: requireString(body, 'name') }
    const service = await authority.externalServices.create(input, caller, provenance)
    return Response.json(formatService(service), { status: 201 })
  },
}

export const updateService: Endpoint<'agent'> = {
  ...listServices,
  method: 'PUT',
  paths: authsecPaths(`${SERVICES}/:id`),
  summary: 'Change an external service; what is left out stays',
  event: 'service.updated',
  refusals: NOT_FOUND,

  async handle(request, { authority, caller, params, provenance }) {
    const input = readInput(await readJson(request))
    const service = await authority.externalServices.update(params['id'] ?? '', input, caller, provenance)
    return Response.json(formatService(service))
  },
}

export const deleteService: Endpoint<'agent'> = {
  ...listServices,
  method: 'DELETE',
  paths: authsecPaths(`${SERVICES}/:id`),
  summary: 'Delete an external service',
  event: 'service.deleted',
  refusals: NOT_FOUND,

  async handle(_request, { authority, caller, params, provenance }) {
    await authority.externalServices.remove(params['id'] ?? '', caller, provenance)
    return new Response(null, { status: 204 })
  },
}

function readInput(body: JsonObject): ServiceInput {
  return {
    name: readString(body, 'name'),
    type: readString(body, 'type'),
    url: readString(body, 'url'),
    description: readString(body, 'description'),
    tags: readStrings(body, 'tags'),
    resourceId: readString(body, 'resource_id'),
    authType: readString(body, 'auth_type'),
    agentAccessible: readBoolean(body, 'agent_accessible'),
    credentials: readCredentials(body),
  }
}

// No message repeats it.
function readCredentials(body: JsonObject): JsonObject | undefined {
  const value = body['secret_data'] ?? undefined
  if (value === undefined || isJsonObject(value)) return value
  throw new AuthsecError('invalid_request', 'secret_data is not an object')
}

function formatService(service: ExternalService): object {
  return {
    id: service.id,
    name: service.name,
    type: service.type,
    url: service.url,
    description: service.description,
    tags: service.tags,
    resource_id: service.resourceId,
    auth_type: service.authType,
    agent_accessible: service.agentAccessible,
    created_by: service.createdBy,
    created_at: formatTime(service.createdAt),
    updated_at: formatTime(service.updatedAt),
  }
}
