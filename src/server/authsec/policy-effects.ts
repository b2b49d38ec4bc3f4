import type { Provenance } from '../../authority/audit/log.js'
import type { Authority } from '../../authority/authority.js'
import { AGENT_CLIENT_TYPE } from '../../authority/clients.js'
import type { Session } from '../../authority/sessions.js'
import { AUTHSEC_AUDIENCE } from '../../core/delegation.js'
import { AuthsecError } from '../../core/errors.js'
import type { Client, Policy } from '../../store/store.js'
import { formatGrant } from './wire.js'

/** What AuthSec does beside creating a policy that names an agent, in its own shapes. */
export interface PolicyEffects {
  identity_provision: object
  delegate_token: object
}

/** On whose behalf the effects happen, and where it is recorded. */
interface Author {
  authority: Authority
  session: Session
  provenance: Provenance
}

/**
 * Gives the agent that a new policy names its identity and a delegation from the policy's author; a policy that
 * names none has no such effects. What does not work out is told in the effect and undoes nothing.
 */
export async function runPolicyEffects(
  policy: Policy,
  audience: readonly string[] | undefined,
  author: Author,
): Promise<PolicyEffects | undefined> {
  if (policy.clientId === undefined) return undefined
  const client = await author.authority.clients.find(policy.clientId)
  if (client.clientType !== AGENT_CLIENT_TYPE) return undefined
  return {
    identity_provision: await provisionIdentity(client, author),
    delegate_token: await delegateToken(policy, audience ?? [], author),
  }
}

async function provisionIdentity(
  client: Client,
  { authority, session, provenance }: Author,
): Promise<object> {
  if (client.spiffeId !== undefined) return { status: 'already_provisioned', spiffe_id: client.spiffeId }
  try {
    const { spiffeId } = await authority.identities.provision(client.id, session, provenance)
    return { status: 'provisioned', spiffe_id: spiffeId }
  } catch (error) {
    return describeFailure(error)
  }
}

async function delegateToken(
  policy: Policy,
  audience: readonly string[],
  { authority, session, provenance }: Author,
): Promise<object> {
  // On this path an empty list delegates nothing; on the other one, everything. Both are AuthSec's.
  if (policy.allowedPermissions.length === 0) return skip('No permissions in policy')
  if (!policy.enabled) return skip('Policy is not enabled')
  if (!session.user.roles.includes(policy.roleName)) return skip('You do not have the role of the policy')
  try {
    const granted = await authority.delegations.grant(
      {
        clientId: policy.clientId ?? '',
        agentType: policy.agentType,
        audience: audience.length > 0 ? audience : [AUTHSEC_AUDIENCE],
        ttlSeconds: policy.maxTtlSeconds,
        policy,
      },
      session.user,
      provenance,
    )
    return { status: 'issued', ...formatGrant(granted) }
  } catch (error) {
    return describeFailure(error)
  }
}

function skip(reason: string): object {
  return { status: 'skipped', reason }
}

function describeFailure(error: unknown): object {
  if (!AuthsecError.is(error) || error.code === 'temporarily_unavailable') throw error
  return { status: 'failed', reason: error.message }
}
