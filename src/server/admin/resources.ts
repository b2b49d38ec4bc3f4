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
    const body = await readJson(request)
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

function formatResource({ uri, permissions, signingAlg, clientId, createdAt }: Resource): object {
  return {
    uri,
    permissions,
    signing_alg: signingAlg,
    ...(clientId !== undefined && { client_id: clientId }),
    created_at: formatTime(createdAt),
  }
}
