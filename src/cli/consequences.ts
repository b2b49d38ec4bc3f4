import { type Delegation, listDelegations } from '../api/delegations.js'
import { listPolicies, type Policy } from '../api/policies.js'
import { ANY_RESOURCE } from '../core/delegation.js'
import type { Connection } from './connection.js'

/** One thing that works now and would not any more. */
export interface Consequence {
  kind: 'delegation' | 'policy' | 'secret' | 'trust'
  /** The UUID of a policy; for all others that of the client. */
  id: string
  /** What it is, in words for a person. */
  detail: string
}

/** What stops when a client may not act any more: its delegation, and the policies that are for it alone. */
export async function listClientConsequences(
  { target }: Connection,
  clientId: string,
): Promise<Consequence[]> {
  const delegations = await listDelegations(target, clientId)
  const policies = await listPolicies(target)
  return [
    ...delegations.filter(isLive).map(describeDelegation),
    ...policies.filter((policy) => policy.client_id === clientId).map(describePolicy),
  ]
}

/** What stops when the delegation of a client ends: that one, and every token made from it. */
export async function listDelegationConsequences(
  { target }: Connection,
  clientId: string,
): Promise<Consequence[]> {
  return (await listDelegations(target, clientId)).filter(isLive).map(describeDelegation)
}

/** What stops when a policy is gone: the delegations under it. */
export async function listPolicyConsequences(
  { target }: Connection,
  policyId: string,
): Promise<Consequence[]> {
  const delegations = await listDelegations(target)
  return delegations.filter((found) => isLive(found) && found.policy_id === policyId).map(describeDelegation)
}

/** What loses an API when it is gone: the policies and the delegations that name it. */
export async function listResourceConsequences({ target }: Connection, uri: string): Promise<Consequence[]> {
  const reaches = ({ resources }: { resources: readonly string[] }) =>
    resources.includes(uri) || resources.includes(ANY_RESOURCE)
  const delegations = await listDelegations(target)
  const policies = await listPolicies(target)
  return [
    ...delegations.filter((found) => isLive(found) && reaches(found)).map(describeDelegation),
    ...policies.filter(reaches).map(describePolicy),
  ]
}

function isLive({ status }: Delegation): boolean {
  return status === 'active'
}

function describeDelegation({ client_id, client_name, permissions, expires_at }: Delegation): Consequence {
  const who = client_name === undefined ? '' : `${client_name}: `
  return {
    kind: 'delegation',
    id: client_id,
    detail: `${who}${permissions.join(', ')} until ${expires_at}`,
  }
}

function describePolicy({ id, role_name, agent_type, allowed_permissions }: Policy): Consequence {
  return {
    kind: 'policy',
    id,
    detail: `${role_name} to ${agent_type}: ${allowed_permissions.join(', ')}`,
  }
}
