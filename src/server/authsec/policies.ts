import { readJson } from '../body.js'
import { authsecPaths, type Endpoint } from '../endpoint.js'
import {
  readBoolean,
  readInteger,
  readQueryBoolean,
  readQueryString,
  readString,
  readStrings,
  requireString,
} from '../fields.js'
import { formatPolicy } from './wire.js'

const PATHS = authsecPaths('/uflow/delegation-policies')

export const createPolicy: Endpoint<'admin'> = {
  method: 'POST',
  paths: PATHS,
  access: 'admin',
  modes: ['dev'],
  summary: 'Create a delegation policy',
  speaks: 'AuthSec A',
  event: 'policy.created',
  errors: 'authsec',
  refusals: {
    client_not_found: [400, 'Client not found or not active'],
    conflict: [409, 'A delegation policy for this role and agent type already exists'],
  },

  async handle(request, { authority, caller, provenance }) {
    const body = await readJson(request)
    const { policy, warnings } = await authority.policies.create(
      {
        roleName: requireString(body, 'role_name'),
        agentType: requireString(body, 'agent_type'),
        allowedPermissions: readStrings(body, 'allowed_permissions') ?? [],
        resources: readStrings(body, 'resources'),
        maxTtlSeconds: readInteger(body, 'max_ttl_seconds'),
        enabled: readBoolean(body, 'enabled'),
        clientId: readString(body, 'client_id') || undefined,
      },
      caller,
      provenance,
    )
    const formatted = formatPolicy(policy, authority.identity.tenantId)
    return Response.json({ policy: formatted, ...(warnings.length > 0 && { warnings }) }, { status: 201 })
  },
}

export const listPolicies: Endpoint<'admin'> = {
  method: 'GET',
  paths: PATHS,
  access: 'admin',
  modes: ['dev'],
  summary: 'List delegation policies, newest first',
  speaks: 'AuthSec A',
  event: 'policy.read',
  errors: 'authsec',

  async handle(request, { authority }) {
    const query = new URL(request.url).searchParams
    const policies = await authority.policies.list({
      roleName: readQueryString(query, 'role_name'),
      agentType: readQueryString(query, 'agent_type'),
      enabled: readQueryBoolean(query, 'enabled'),
    })
    return Response.json(policies.map((policy) => formatPolicy(policy, authority.identity.tenantId)))
  },
}
