import { formatTime } from '../../core/time.js'
import type { ListedUser } from '../../store/store.js'
import { readJson } from '../body.js'
import type { Endpoint } from '../endpoint.js'
import { readBoolean, readString, readStrings, requireString } from '../fields.js'

export const createUser: Endpoint<'admin'> = {
  method: 'POST',
  paths: ['/admin/users'],
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'Add a user, with roles and a password',
  speaks: 'authsec',
  event: 'user.created',
  errors: 'authsec',

  async handle(request, { authority, caller, provenance }) {
    const body = await readJson(request, ['email', 'roles', 'password'])
    const input = {
      email: requireString(body, 'email'),
      roles: readStrings(body, 'roles') ?? [],
      password: readString(body, 'password'),
    }
    const user = await authority.users.create(input, caller, provenance)
    return Response.json(formatUser(user), { status: 201 })
  },
}

export const listUsers: Endpoint<'admin'> = {
  method: 'GET',
  paths: ['/admin/users'],
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'List users and their roles',
  speaks: 'authsec',
  event: 'user.read',
  errors: 'authsec',

  async handle(_request, { authority }) {
    return Response.json((await authority.users.list()).map(formatUser))
  },
}

export const updateUser: Endpoint<'admin'> = {
  ...createUser,
  method: 'PATCH',
  paths: ['/admin/users/:id'],
  summary: 'Give a user other roles or another password, or keep them from acting',
  event: 'user.updated',

  async handle(request, { authority, caller, params, provenance }) {
    const body = await readJson(request, ['roles', 'active', 'password'])
    const patch = {
      roles: readStrings(body, 'roles'),
      active: readBoolean(body, 'active'),
      password: readString(body, 'password'),
    }
    return Response.json(
      formatUser(await authority.users.update(params['id'] ?? '', patch, caller, provenance)),
    )
  },
}

function formatUser({ id, email, roles, active, hasPassword, createdAt }: ListedUser): object {
  return { id, email, roles, active, has_password: hasPassword, created_at: formatTime(createdAt) }
}
