import { AuthsecError } from '../../core/errors.js'
import { readJson } from '../body.js'
import type { Endpoint } from '../endpoint.js'
import { readStrings, requireString } from '../fields.js'

export const createRole: Endpoint<'admin'> = {
  method: 'POST',
  paths: ['/admin/roles'],
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'Make a role of permissions',
  speaks: 'authsec',
  event: 'role.created',
  errors: 'authsec',

  async handle(request, { authority, caller, provenance }) {
    const body = await readJson(request, ['name', 'permissions'])
    const role = { name: requireString(body, 'name'), permissions: readStrings(body, 'permissions') ?? [] }
    return Response.json(await authority.roles.create(role, caller, provenance), { status: 201 })
  },
}

export const listRoles: Endpoint<'admin'> = {
  method: 'GET',
  paths: ['/admin/roles'],
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'List roles and their permissions',
  speaks: 'authsec',
  event: 'role.read',
  errors: 'authsec',

  async handle(_request, { authority }) {
    return Response.json(await authority.roles.list())
  },
}

export const updateRole: Endpoint<'admin'> = {
  ...createRole,
  method: 'PATCH',
  paths: ['/admin/roles/:name'],
  summary: 'Give a role other permissions',
  event: 'role.updated',

  async handle(request, { authority, caller, params, provenance }) {
    const permissions = readStrings(await readJson(request, ['permissions']), 'permissions')
    if (permissions === undefined) throw new AuthsecError('invalid_request', 'permissions is required')
    const role = { name: params['name'] ?? '', permissions }
    return Response.json(await authority.roles.update(role, caller, provenance))
  },
}
