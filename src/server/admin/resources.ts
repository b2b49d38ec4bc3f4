import { formatTime } from '../../core/time.js'
import type { Resource } from '../../store/store.js'
import { readJson } from '../body.js'
import type { Endpoint } from '../endpoint.js'
import { readString, readStrings, requireString } from '../fields.js'

export const createResource: Endpoint<'admin'> = {
  method: 'POST',
  paths: ['/admin/resources'],
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'Register an API and the permissions its tokens may carry',
  speaks: 'authsec',
  event: 'resource.created',
  errors: 'authsec',

  async handle(request, { authority, caller, provenance }) {
    const body = await readJson(request, ['uri', 'permissions', 'signing_alg', 'client_id'])
    const input = {
      uri: requireString(body, 'uri'),
      permissions: readStrings(body, 'permissions') ?? [],
      signingAlg: readString(body, 'signing_alg'),
      clientId: readString(body, 'client_id'),
    }
    const resource = await authority.resources.create(input, caller, provenance)
    return Response.json(formatResource(resource), { status: 201 })
  },
}

export const listResources: Endpoint<'admin'> = {
  method: 'GET',
  paths: ['/admin/resources'],
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'List registered APIs',
  speaks: 'authsec',
  event: 'resource.read',
  errors: 'authsec',

  async handle(_request, { authority }) {
    return Response.json((await authority.resources.list()).map(formatResource))
  },
}

export const showResource: Endpoint<'admin'> = {
  ...listResources,
  paths: ['/admin/resources/:uri'],
  summary: 'Show an API, by its encoded URI',

  async handle(_request, { authority, params }) {
    return Response.json(formatResource(await authority.resources.find(params['uri'] ?? '')))
  },
}

export const deleteResource: Endpoint<'admin'> = {
  ...showResource,
  method: 'DELETE',
  summary: 'Delete an API: no token is issued for it from then on',
  event: 'resource.deleted',

  async handle(_request, { authority, caller, params, provenance }) {
    const { uri } = await authority.resources.remove(params['uri'] ?? '', caller, provenance)
    return Response.json({ status: 'deleted', uri })
  },
}

function formatResource({ uri, permissions, signingAlg, clientId, createdAt }: Resource): object {
  return {
    uri,
    permissions,
    signing_alg: signingAlg,
    ...(clientId !== undefined && { client_id: clientId }),
    created_at: formatTime(createdAt),
  }
}
