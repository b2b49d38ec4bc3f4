import { AuthsecError } from '../../core/errors.js'
import type { JsonObject } from '../../core/strict-json.js'
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
import { runPolicyEffects } from './policy-effects.js'
import { readId, readRequest } from './request.js'
import { formatPolicy } from './wire.js'

const POLICIES = '/uflow/delegation-policies'
const INVALID_ID = 'Invalid policy ID'
const NOT_FOUND = [404, 'Delegation policy not found'] as const
const CLIENT_NOT_FOUND = [400, 'Client not found or not active'] as const
const CONFLICT = [409, 'A delegation policy for this role and agent type already exists'] as const

export const createPolicy: Endpoint<'admin'> = {
  method: 'POST',
  paths: authsecPaths(POLICIES),
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'Create a delegation policy',
  speaks: 'AuthSec A',
  differences:
    'The automatic token carries the allowed permissions that its author holds too, and is skipped where the ' +
    'author lacks the role: AuthSec hands out all of them. enabled: false is kept. max_ttl_seconds is at most ' +
    '24 h. resources[] and warnings[] are added; resources[] is required in shared mode.',
  event: 'policy.created',
  errors: 'authsec',
  refusals: { client_not_found: CLIENT_NOT_FOUND, conflict: CONFLICT },

  async handle(request, { authority, mode, caller, provenance }) {
    const { audience, ...input } = await readRequest(request, (body) => ({
      ...readTerms(body),
      roleName: requireString(body, 'role_name'),
      agentType: requireString(body, 'agent_type'),
      allowedPermissions: readStrings(body, 'allowed_permissions') ?? [],
      clientId: readString(body, 'client_id') || undefined,
      audience: readStrings(body, 'audience'),
    }))
    if (mode === 'shared' && input.resources === undefined) {
      // To reach every API by leaving something out is a convenience of one machine.
      throw new AuthsecError('invalid_request', 'resources is required', { hint: 'Name them, or say ["*"].' })
    }
    const { policy, warnings } = await authority.policies.create(input, caller, provenance)
    const effects = await runPolicyEffects(policy, audience, { authority, session: caller, provenance })
    return Response.json(
      {
        policy: formatPolicy(policy, authority.identity.tenantId),
        ...effects,
        ...(warnings.length > 0 && { warnings }),
      },
      { status: 201 },
    )
  },
}

export const listPolicies: Endpoint<'admin'> = {
  method: 'GET',
  paths: authsecPaths(POLICIES),
  access: 'admin',
  modes: ['dev', 'shared'],
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

export const showPolicy: Endpoint<'admin'> = {
  method: 'GET',
  paths: authsecPaths(`${POLICIES}/:id`),
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'Show a delegation policy',
  speaks: 'AuthSec A',
  event: 'policy.read',
  errors: 'authsec',
  refusals: { not_found: NOT_FOUND },

  async handle(_request, { authority, params }) {
    const policy = await authority.policies.find(readId(params, INVALID_ID))
    return Response.json(formatPolicy(policy, authority.identity.tenantId))
  },
}

export const updatePolicy: Endpoint<'admin'> = {
  method: 'PUT',
  paths: authsecPaths(`${POLICIES}/:id`),
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'Change a delegation policy',
  speaks: 'AuthSec A',
  differences:
    'It decides the next exchange of every base token under it. resources[] can be changed too, and warnings[] are added.',
  event: 'policy.updated',
  errors: 'authsec',
  refusals: { not_found: NOT_FOUND, client_not_found: CLIENT_NOT_FOUND, conflict: CONFLICT },

  async handle(request, { authority, caller, params, provenance }) {
    const id = readId(params, INVALID_ID)
    const patch = await readRequest(request, (body) => ({
      ...readTerms(body),
      roleName: readNonEmpty(body, 'role_name'),
      agentType: readNonEmpty(body, 'agent_type'),
      allowedPermissions: readStrings(body, 'allowed_permissions'),
      clientId: readClientId(body),
    }))
    const { policy, warnings } = await authority.policies.update(id, patch, caller, provenance)
    return Response.json({
      ...formatPolicy(policy, authority.identity.tenantId),
      ...(warnings.length > 0 && { warnings }),
    })
  },
}

export const deletePolicy: Endpoint<'admin'> = {
  method: 'DELETE',
  paths: authsecPaths(`${POLICIES}/:id`),
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'Delete a delegation policy',
  speaks: 'AuthSec A',
  differences: 'Every delegation under it ends with it.',
  event: 'policy.deleted',
  errors: 'authsec',
  refusals: { not_found: NOT_FOUND },

  async handle(_request, { authority, caller, params, provenance }) {
    const { id } = await authority.policies.remove(readId(params, INVALID_ID), caller, provenance)
    return Response.json({ status: 'deleted', id })
  },
}

function readTerms(body: JsonObject) {
  return {
    resources: readStrings(body, 'resources'),
    maxTtlSeconds: readInteger(body, 'max_ttl_seconds'),
    enabled: readBoolean(body, 'enabled'),
  }
}

function readNonEmpty(body: JsonObject, name: string): string | undefined {
  return body[name] === undefined ? undefined : requireString(body, name)
}

// Left out it stays as it is; empty, every client of the agent type may receive the delegation again.
function readClientId(body: JsonObject): string | null | undefined {
  const clientId = readString(body, 'client_id')
  return clientId === '' ? null : clientId
}
