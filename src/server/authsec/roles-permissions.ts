import { sortPermissions } from '../../core/permission.js'
import { authsecPaths, type Endpoint } from '../endpoint.js'
import { listResources } from './wire.js'

/** What a policy can be written about. As at AuthSec it is the whole tenant's, not only the caller's. */
export const rolesPermissions: Endpoint<'admin'> = {
  method: 'GET',
  paths: authsecPaths('/uflow/admin/me/roles-permissions'),
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'List the roles and permissions of the tenant',
  speaks: 'AuthSec A',
  event: 'role.read',
  errors: 'authsec',

  async handle(_request, { authority, caller }) {
    const roles = await authority.roles.list()
    const permissions = sortPermissions(roles.flatMap((role) => role.permissions))
    return Response.json({
      user_id: caller.user.id,
      tenant_id: authority.identity.tenantId,
      roles: roles.map(({ name }) => name),
      permissions,
      scopes: permissions,
      resources: listResources(permissions),
    })
  },
}
