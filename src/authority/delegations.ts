import { randomUUID } from 'node:crypto'
import type { AuditDraft } from '../core/audit-record.js'
import { BASE_TOKEN_TYPE, type BaseClaims } from '../core/claims.js'
import { baseLifetime, grantedResources } from '../core/delegation.js'
import { AuthsecError } from '../core/errors.js'
import { sortPermissions } from '../core/permission.js'
import { delegablePermissions, delegatesEverything } from '../core/policy.js'
import { quote } from '../core/printable.js'
import { formatTime } from '../core/time.js'
import type { Client, Delegation, Policy, Store, User } from '../store/store.js'
import type { AuditLog, Provenance } from './audit/log.js'
import { AGENT_CLIENT_TYPE, isUuid } from './clients.js'
import type { Envelope, SealedPlace } from './envelope.js'
import { hashSigningInput, type SignedJwt, type SigningKey, signJwt } from './signer.js'

/** What is asked of a grant; every field is untrusted. */
export interface GrantInput {
  clientId: string
  agentType: string
  audience: readonly string[]
  ttlSeconds?: number | undefined
}

/** A delegation with its base token in the clear. */
export interface HeldDelegation {
  delegation: Delegation
  client: Client
  token: string
  /** What the grant allows beyond what its author may have meant, in words. */
  warnings: string[]
}

export interface Delegations {
  /**
   * Delegates from a user to an agent and replaces what the agent had before. Throws `client_not_found`,
   * `client_inactive`, `identity_missing`, `delegation_not_allowed`, `nothing_to_delegate`,
   * `policy_bound_elsewhere`.
   */
  grant(input: GrantInput, user: User, provenance: Provenance): Promise<HeldDelegation>
  /** The agent's base token. Throws `client_not_found`, `no_delegation`, and once `delegation_expired`. */
  pull(clientId: string, provenance: Provenance): Promise<HeldDelegation>
  /** When the agent's active delegation expires, in milliseconds since the epoch; undefined when it has none. */
  findExpiry(clientId: string): Promise<number | undefined>
  /** Ends the agent's delegation at once. Throws `no_delegation`. */
  revoke(clientId: string, user: User, provenance: Provenance): Promise<void>
}

export interface DelegationsOptions {
  store: Store
  audit: AuditLog
  envelope: Envelope
  key: SigningKey
  clock: () => number
  tenantId: string
}

export function createDelegations(options: DelegationsOptions): Delegations {
  const { store, audit, envelope, key, clock, tenantId } = options

  return {
    grant(input, user, provenance) {
      const draft: AuditDraft = {
        type: 'delegation.granted',
        actor: { type: 'user', id: user.id },
        subject: { type: 'user', id: user.id },
        client: isUuid(input.clientId) ? input.clientId.toLowerCase() : undefined,
        aud: [...input.audience],
      }
      return audit.attempt(draft, provenance, async (attempt) => {
        const client = await findAgent(store, input.clientId)
        const policy = await findPolicy(store, user, client, input.agentType)
        const terms = agreeTerms(input, user, policy)
        const warnings = delegatesEverything(policy)
          ? ['the policy names no permissions: everything you have is delegated']
          : []

        const now = Math.floor(clock() / 1000)
        const jti = randomUUID()
        const claims: BaseClaims = {
          iss: baseIssuer(tenantId),
          sub: client.spiffeId,
          aud: [...input.audience],
          exp: now + terms.ttlSeconds,
          iat: now,
          nbf: now,
          jti,
          user_id: user.id,
          tenant_id: tenantId,
          agent_type: input.agentType,
          permissions: terms.permissions,
          client_id: client.id,
        }
        const signed = signBaseToken(key, claims)
        const asked: Delegation = {
          id: randomUUID(),
          clientId: client.id,
          userId: user.id,
          policyId: policy.id,
          permissions: terms.permissions,
          resources: terms.resources,
          audience: input.audience,
          jti,
          sealedToken: envelope.seal(Buffer.from(signed.token), placeOf(client.id)),
          status: 'active',
          ttlSeconds: terms.ttlSeconds,
          createdAt: now * 1000,
          updatedAt: now * 1000,
          expiresAt: claims.exp * 1000,
        }
        const delegation = await attempt.commit(async (transaction) => {
          const kept = await transaction.delegations.replace(asked)
          attempt.note({
            jti,
            delegation: kept.id,
            token_hash: signed.tokenHash,
            policy: policy.id,
            permissions: { granted: terms.permissions },
            details: {
              resources: terms.resources,
              ttl_seconds: terms.ttlSeconds,
              ...(warnings.length > 0 && { warnings }),
            },
          })
          return kept
        })
        return { delegation, client, token: signed.token, warnings }
      })
    },

    pull(clientId, provenance) {
      const draft = {
        type: 'delegation.pulled',
        actor: { type: 'client', id: clientId },
        client: clientId,
      } as const
      return audit.attempt(draft, provenance, async (attempt) => {
        const [client, delegation] = await Promise.all([
          store.clients.find(clientId),
          store.delegations.findByClient(clientId),
        ])
        if (client === undefined) throw new AuthsecError('client_not_found', `no client ${clientId}`)
        if (delegation?.status !== 'active' || !client.active) throw noDelegation(client)
        attempt.note({
          subject: { type: 'user', id: delegation.userId },
          delegation: delegation.id,
          jti: delegation.jti,
        })
        if (delegation.expiresAt <= clock()) {
          return await attempt.refuse(expired(delegation), async (transaction) => {
            const current = await transaction.delegations.findByClient(clientId)
            if (current?.status !== 'active' || current.jti !== delegation.jti) throw noDelegation(client)
            await transaction.delegations.setStatus(clientId, 'expired', clock())
          })
        }

        const token = Buffer.from(envelope.open(delegation.sealedToken, placeOf(clientId))).toString()
        attempt.note({
          token_hash: hashSigningInput(token.slice(0, token.lastIndexOf('.'))),
          aud: [...delegation.audience],
          permissions: { granted: [...delegation.permissions] },
        })
        await attempt.commit(async (transaction) => {
          const current = await transaction.delegations.findByClient(clientId)
          if (current?.status !== 'active' || current.jti !== delegation.jti) throw noDelegation(client)
        })
        return { delegation, client, token, warnings: [] }
      })
    },

    async findExpiry(clientId) {
      const delegation = await store.delegations.findByClient(clientId)
      return delegation?.status === 'active' ? delegation.expiresAt : undefined
    },

    revoke(clientId, user, provenance) {
      const draft = {
        type: 'delegation.revoked',
        actor: { type: 'user', id: user.id },
        client: isUuid(clientId) ? clientId : undefined,
      } as const
      return audit.attempt(draft, provenance, async (attempt) => {
        await attempt.commit(async (transaction) => {
          const delegation = await transaction.delegations.findByClient(clientId)
          if (delegation?.status !== 'active') {
            throw new AuthsecError('no_delegation', `client ${quote(clientId)} has no active delegation`)
          }
          attempt.note({
            subject: { type: 'user', id: delegation.userId },
            delegation: delegation.id,
            jti: delegation.jti,
          })
          await transaction.delegations.setStatus(clientId, 'revoked', clock())
        })
      })
    },
  }
}

/** The issuer of base tokens: AuthSec's, which is not a URL. */
export function baseIssuer(tenantId: string): string {
  return `spiffe://${tenantId}`
}

// Neither a key id nor another header: so AuthSec's own verifiers expect it.
function signBaseToken(key: SigningKey, claims: BaseClaims): SignedJwt {
  return signJwt(key, { typ: BASE_TOKEN_TYPE }, claims)
}

async function findAgent(store: Store, clientId: string): Promise<Client & { spiffeId: string }> {
  const client = isUuid(clientId) ? await store.clients.find(clientId.toLowerCase()) : undefined
  if (client?.clientType !== AGENT_CLIENT_TYPE) {
    throw new AuthsecError('client_not_found', `no agent ${quote(clientId)}`)
  }
  if (!client.active) throw new AuthsecError('client_inactive', `agent ${quote(client.name)} is not active`)
  if (client.spiffeId === undefined) {
    throw new AuthsecError('identity_missing', `agent ${quote(client.name)} has no SPIFFE identity`)
  }
  return { ...client, spiffeId: client.spiffeId }
}

async function findPolicy(store: Store, user: User, client: Client, agentType: string): Promise<Policy> {
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
  const policy = await store.policies.findApplicable(user.roles, agentType)
  if (policy === undefined) {
    throw new AuthsecError(
      'delegation_not_allowed',
      `no enabled policy lets ${user.roles.join(' or ')} delegate to agent type ${quote(agentType)}`,
      { hint: 'Create one first: authsec policy create --role … --agent-type …' },
    )
  }
  if (policy.clientId !== undefined && policy.clientId !== client.id) {
    throw new AuthsecError(
      'policy_bound_elsewhere',
      `the policy is bound to ${policy.clientId}, not ${client.id}`,
    )
  }
  return policy
}

function agreeTerms({ audience, ttlSeconds }: GrantInput, user: User, policy: Policy) {
  const permissions = sortPermissions(delegablePermissions(user.permissions, policy))
  if (permissions.length === 0) {
    throw new AuthsecError('nothing_to_delegate', 'the user holds no permission that the policy allows')
  }
  const resources = grantedResources(policy.resources, audience)
  if (resources.length === 0) {
    throw new AuthsecError(
      'delegation_not_allowed',
      `the policy does not reach ${audience.map((uri) => quote(uri, 200)).join(', ')}`,
      { hint: `It reaches: ${policy.resources.join(', ')}.` },
    )
  }
  return { permissions, resources, ttlSeconds: baseLifetime(ttlSeconds, policy.maxTtlSeconds) }
}

function noDelegation(client: Client): AuthsecError {
  return new AuthsecError('no_delegation', `client ${quote(client.name)} has no active delegation`, {
    hint: 'An admin must delegate a token first via POST /uflow/admin/agents/:id/delegate-token',
  })
}

function expired({ expiresAt }: Delegation): AuthsecError {
  return new AuthsecError('delegation_expired', `the delegation expired at ${formatTime(expiresAt)}`, {
    hint: 'Admin must re-delegate via POST /uflow/admin/agents/:id/delegate-token',
    details: { expired_at: formatTime(expiresAt) },
  })
}

function placeOf(clientId: string): SealedPlace {
  return { table: 'delegations', row: clientId, purpose: 'base token' }
}
