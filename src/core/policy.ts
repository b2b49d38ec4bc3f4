import { intersectPermissions, type Permissions } from './permission.js'

/** What a role may delegate to a kind of agent. */
export interface PolicyTerms {
  agentType: string
  /** Empty means everything the user has: AuthSec's own rule, reported wherever it applies. */
  allowedPermissions: readonly string[]
  enabled: boolean
  /** When set, only this client may receive the delegation. */
  clientId?: string | undefined
}

/** What a user may delegate under a policy: the user's permissions within the policy's. */
export function delegablePermissions(held: Permissions, policy: PolicyTerms): Permissions {
  if (delegatesEverything(policy)) return held
  return intersectPermissions(policy.allowedPermissions, held)
}

/** AuthSec's quirk that an empty list of permissions stands for all of them. */
export function delegatesEverything(policy: Pick<PolicyTerms, 'allowedPermissions'>): boolean {
  return policy.allowedPermissions.length === 0
}

/**
 * Which of several policies counts for a client, where they stand in the order of their making: one that is bound to it
 * before one for every client. One that is bound elsewhere is found only where there is no other, so that the refusal
 * can say so.
 */
export function choosePolicy<P extends Pick<PolicyTerms, 'clientId'>>(
  policies: readonly P[],
  clientId: string,
): P | undefined {
  return (
    policies.find((policy) => policy.clientId === clientId) ??
    policies.find((policy) => policy.clientId === undefined) ??
    policies[0]
  )
}

/** Why a policy does not let this client act now, or undefined when it does. */
export function policyRefusal(
  policy: PolicyTerms,
  client: { id: string; agentType?: string | undefined },
): 'disabled' | 'agent_type' | 'client' | undefined {
  if (!policy.enabled) return 'disabled'
  if (policy.agentType !== client.agentType) return 'agent_type'
  if (policy.clientId !== undefined && policy.clientId !== client.id) return 'client'
  return undefined
}
