import { baseLifetime, grantedResources } from '../core/delegation.js'
import { AuthsecError } from '../core/errors.js'
import { sortPermissions } from '../core/permission.js'
import { delegablePermissions, delegatesEverything } from '../core/policy.js'
import { quote, toPrintable } from '../core/printable.js'
import type { Client, Policy, Queries, User } from '../store/store.js'
import { findAgent } from './clients.js'

/** What is asked of a grant; every field is untrusted. */
export interface GrantInput {
  clientId: string
  agentType: string
  audience: readonly string[]
  ttlSeconds?: number | undefined
  /** The policy to delegate under; undefined means the one that applies. */
  policy?: Policy | undefined
}

/** What a user delegates to an agent, as the policy has it. */
export interface DelegationTerms {
  client: Agent
  policy: Policy
  permissions: string[]
  resources: string[]
  ttlSeconds: number
  /** What the grant allows beyond what its author may have meant, in words. */
  warnings: string[]
}

/** A client that can act for people. */
export type Agent = Client & { spiffeId: string }

/** More APIs than one agent reaches, and few enough for a token. */
const MAX_AUDIENCES = 100
// As long as the URI of a resource.
const MAX_AUDIENCE_LENGTH = 1024
const AUDIENCE = /^[^\s\p{Cc}\p{Cf}]+$/u

/**
 * Settles what a grant amounts to, with AuthSec's checks in AuthSec's order. Throws `invalid_request` for an audience
 * that can be none, `client_not_found`, `client_inactive`, `identity_missing`, `delegation_not_allowed`,
 * `nothing_to_delegate`, `policy_bound_elsewhere`.
 */
export async function agreeTerms(queries: Queries, input: GrantInput, user: User): Promise<DelegationTerms> {
  assertAudience(input.audience)
  const client = await findActiveAgent(queries, input.clientId)
  const policy = await findPolicy(queries, user, client, input)
  const permissions = sortPermissions(delegablePermissions(user.permissions, policy))
  if (permissions.length === 0) {
    throw new AuthsecError('nothing_to_delegate', 'the user holds no permission that the policy allows')
  }
  if (policy.clientId !== undefined && policy.clientId !== client.id) {
    // The wording is AuthSec's.
    throw new AuthsecError(
      'policy_bound_elsewhere',
      `Delegation policy is bound to client ${policy.clientId}, not ${client.id}`,
    )
  }
  return {
    client,
    policy,
    permissions,
    resources: agreeResources(policy, input.audience),
    ttlSeconds: baseLifetime(input.ttlSeconds, policy.maxTtlSeconds),
    warnings: delegatesEverything(policy)
      ? ['the policy names no permissions: everything you have is delegated']
      : [],
  }
}

function assertAudience(audience: readonly string[]): void {
  if (audience.length > MAX_AUDIENCES) {
    throw new AuthsecError('invalid_request', `audience has more than ${MAX_AUDIENCES} entries`)
  }
  const wrong = audience.find((entry) => entry.length > MAX_AUDIENCE_LENGTH || !AUDIENCE.test(entry))
  if (wrong === undefined) return
  throw new AuthsecError('invalid_request', `audience: ${quote(wrong)} is not the URI of an API`, {
    hint: `An entry has 1 to ${MAX_AUDIENCE_LENGTH} characters, none of them a space or a line break.`,
  })
}

async function findActiveAgent(queries: Queries, clientId: string): Promise<Agent> {
  const client = await findAgent(queries, clientId)
  if (!client.active) throw new AuthsecError('client_inactive', `agent ${quote(client.name)} is not active`)
  if (client.spiffeId === undefined) {
    throw new AuthsecError('identity_missing', `agent ${quote(client.name)} has no SPIFFE identity`)
  }
  return { ...client, spiffeId: client.spiffeId }
}

async function findPolicy(
  queries: Queries,
  user: User,
  client: Client,
  { agentType, policy: named }: GrantInput,
): Promise<Policy> {
  if (!user.active) throw new AuthsecError('delegation_not_allowed', 'the user is not active')
  if (user.roles.length === 0) {
    throw new AuthsecError('delegation_not_allowed', 'the user has no roles')
  }
  // AuthSec believes the type that the request names; ours has to be the registered one.
  if (client.agentType !== agentType) {
    throw new AuthsecError(
      'delegation_not_allowed',
      `agent ${quote(client.name)} is registered as ${quote(client.agentType)}, not ${quote(agentType)}`,
    )
  }
  const policy =
    named === undefined
      ? await queries.policies.findApplicable(user.roles, agentType, client.id)
      : asApplicable(await queries.policies.find(named.id), user.roles, agentType)
  if (policy === undefined) {
    throw new AuthsecError(
      'delegation_not_allowed',
      `no enabled policy lets ${toPrintable(user.roles.join(' or '))} delegate to agent type ${quote(agentType)}`,
      { hint: 'Create one first: authsec policy create --role … --agent-type …' },
    )
  }
  return policy
}

function asApplicable(
  policy: Policy | undefined,
  roles: readonly string[],
  agentType: string,
): Policy | undefined {
  const applies = policy?.enabled && policy.agentType === agentType && roles.includes(policy.roleName)
  return applies ? policy : undefined
}

function agreeResources(policy: Policy, audience: readonly string[]): string[] {
  const resources = grantedResources(policy.resources, audience)
  if (resources.length === 0) {
    throw new AuthsecError(
      'delegation_not_allowed',
      `the policy does not reach ${audience.map((uri) => quote(uri, 200)).join(', ')}`,
      { hint: `It reaches: ${policy.resources.join(', ')}.` },
    )
  }
  return resources
}
