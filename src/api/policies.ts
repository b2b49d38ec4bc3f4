import { quote } from '../core/printable.js'
import { isJsonObject } from '../core/strict-json.js'
import { readShape, readShapes, type Shaped } from './answer.js'
import { type ApiTarget, callServer } from './http.js'
import type { Explanation, Refusal } from './refusal.js'

const POLICY = {
  id: 'text',
  /** The role of the people who may delegate. */
  role_name: 'text',
  /** The kind of agent they may delegate to. */
  agent_type: 'text',
  /** What they may delegate; empty: everything they have themselves. */
  allowed_permissions: 'texts',
  /** The APIs where it holds, by their URIs. */
  resources: 'texts',
  /** How many seconds a delegation lives at most. */
  max_ttl_seconds: 'number?',
  /** Nobody can delegate by it where this is false. */
  enabled: 'flag?',
  /** The only client that it is for; absent where it is for every one of its agent type. */
  client_id: 'text?',
  /** RFC 3339. */
  created_at: 'text?',
} as const

/** Which role may delegate what to which kind of agent, as AuthSec sends it. */
export type Policy = Shaped<typeof POLICY>

export interface PolicyTerms {
  role: string
  agentType: string
  permissions: readonly string[]
  resources: readonly string[]
  /** In seconds; left out, the server decides. */
  maxTtlSeconds?: number | undefined
  enabled: boolean
  clientId?: string | undefined
}

const PATH = '/authsec/uflow/delegation-policies'

/** Creates a policy; `warnings` are what the server wants to be noticed about it. Throws `conflict`. */
export async function createPolicy(
  target: ApiTarget,
  terms: PolicyTerms,
): Promise<{ policy: Policy; warnings: string[] }> {
  const body = await callServer(target, {
    method: 'POST',
    path: PATH,
    session: 'required',
    json: {
      role_name: terms.role,
      agent_type: terms.agentType,
      allowed_permissions: terms.permissions,
      resources: terms.resources,
      max_ttl_seconds: terms.maxTtlSeconds,
      enabled: terms.enabled,
      client_id: terms.clientId,
    },
    explain: ({ status }) =>
      status === 409
        ? {
            code: 'conflict',
            message: `a policy for role ${terms.role} and agent type ${terms.agentType} exists already`,
            hint: 'See authsec policy list.',
          }
        : undefined,
  })
  const { warnings } = readShape(body, { warnings: 'texts' }, 'answer')
  return { policy: readShape(isJsonObject(body) ? body['policy'] : undefined, POLICY, 'policy'), warnings }
}

/** Reads one policy; throws `not_found`. */
export async function findPolicy(target: ApiTarget, id: string): Promise<Policy> {
  const body = await callServer(target, {
    method: 'GET',
    path: policyPath(id),
    session: 'required',
    explain: explainNoPolicy(id),
  })
  return readShape(body, POLICY, 'policy')
}

/** What may be changed of a policy; what is left out stays, and an empty `clientId` lets in every client again. */
export type PolicyPatch = { [Term in keyof PolicyTerms]?: PolicyTerms[Term] | undefined }

/** Changes a policy, which decides the next exchange already; throws `not_found` and `conflict`. */
export async function updatePolicy(target: ApiTarget, id: string, patch: PolicyPatch): Promise<Policy> {
  const body = await callServer(target, {
    method: 'PUT',
    path: policyPath(id),
    session: 'required',
    json: {
      role_name: patch.role,
      agent_type: patch.agentType,
      allowed_permissions: patch.permissions,
      resources: patch.resources,
      max_ttl_seconds: patch.maxTtlSeconds,
      enabled: patch.enabled,
      client_id: patch.clientId,
    },
    explain: explainNoPolicy(id),
  })
  return readShape(body, POLICY, 'policy')
}

/** Deletes a policy and the delegations under it; throws `not_found`. */
export async function deletePolicy(target: ApiTarget, id: string): Promise<void> {
  const body = await callServer(target, {
    method: 'DELETE',
    path: policyPath(id),
    session: 'required',
    explain: explainNoPolicy(id),
  })
  readShape(body, { id: 'text' }, 'answer')
}

/** Every policy, newest first. */
export async function listPolicies(target: ApiTarget): Promise<Policy[]> {
  const body = await callServer(target, { method: 'GET', path: PATH, session: 'required' })
  return readShapes(body, POLICY, 'policy')
}

function explainNoPolicy(id: string): (refusal: Refusal) => Explanation | undefined {
  const hint = 'See authsec policy list.'
  return ({ status, error }) => {
    if (status === 404 && /policy/i.test(error))
      return { code: 'not_found', message: `no policy ${id}`, hint }
    return status === 400 && /policy id/i.test(error)
      ? { code: 'invalid_request', message: `${quote(id)} is not the id of a policy`, hint }
      : undefined
  }
}

function policyPath(id: string): string {
  return `${PATH}/${encodeURIComponent(id)}`
}
