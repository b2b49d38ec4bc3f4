import { randomUUID } from 'node:crypto'
import type { AuditDraft } from '../core/audit-record.js'
import { ANY_RESOURCE, DEFAULT_BASE_TTL, MAX_BASE_TTL } from '../core/delegation.js'
import { formatDuration } from '../core/duration.js'
import { AuthsecError } from '../core/errors.js'
import { parsePermissions, sortPermissions } from '../core/permission.js'
import { delegatesEverything } from '../core/policy.js'
import { quote } from '../core/printable.js'
import { readUuid } from '../core/uuid.js'
import type { Policy, Queries, Store } from '../store/store.js'
import type { AuditLog, Provenance } from './audit/log.js'
import { AGENT_TYPE, AGENT_TYPE_RULE, assertActiveClient, readClientId } from './clients.js'
import { findById } from './find-by-id.js'
import { assertResourceUri } from './resources.js'
import { assertRoleName } from './roles.js'
import type { Session } from './sessions.js'

/** What may be said of a new policy; every field is untrusted. */
export interface PolicyInput {
  roleName: string
  agentType: string
  allowedPermissions: readonly string[]
  /** Undefined means every registered resource, which is reported. */
  resources?: readonly string[] | undefined
  maxTtlSeconds?: number | undefined
  enabled?: boolean | undefined
  clientId?: string | undefined
}

/** What may be changed of a policy; what is left out stays. */
export interface PolicyPatch {
  roleName?: string | undefined
  agentType?: string | undefined
  allowedPermissions?: readonly string[] | undefined
  resources?: readonly string[] | undefined
  maxTtlSeconds?: number | undefined
  enabled?: boolean | undefined
  /** Null lets every client of the agent type receive it again. */
  clientId?: string | null | undefined
}

export interface WarnedPolicy {
  policy: Policy
  /** What the policy allows beyond what its author may have meant, in words. */
  warnings: string[]
}

export interface Policies {
  /**
   * Throws `invalid_request`, `invalid_scope`, `invalid_target`, `client_not_found`, or `conflict` when the terms are
   * taken.
   */
  create(input: PolicyInput, session: Session, provenance: Provenance): Promise<WarnedPolicy>
  list(query: {
    roleName?: string | undefined
    agentType?: string | undefined
    enabled?: boolean | undefined
  }): Promise<Policy[]>
  /** Throws `not_found`. */
  find(id: string): Promise<Policy>
  /**
   * Changes a policy, which decides the next exchange already. Throws as `create` does, and `not_found`.
   */
  update(id: string, patch: PolicyPatch, session: Session, provenance: Provenance): Promise<WarnedPolicy>
  /** Deletes a policy and every delegation under it. Throws `not_found`. */
  remove(id: string, session: Session, provenance: Provenance): Promise<Policy>
}

export function createPolicies(options: { store: Store; audit: AuditLog; clock: () => number }): Policies {
  const { store, audit, clock } = options
  return {
    create(input, session, provenance) {
      const actor = { type: 'user', id: session.user.id } as const
      return audit.attempt({ type: 'policy.created', actor }, provenance, async (attempt) => {
        const policy = createPolicy(input, session.user.id, clock())
        attempt.note(describePolicy(policy))
        const slips = await describeSlips(store, policy, input)
        await attempt.commit(async (transaction) => {
          if (policy.clientId !== undefined) await assertActiveClient(transaction, policy.clientId)
          await assertTermsFree(transaction, policy)
          await transaction.policies.insert(policy)
        })
        return { policy, warnings: [...describeBreadth(policy), ...slips] }
      })
    },
    list: (query) => store.policies.list(query),
    find: (id) => findPolicy(store, id),
    update(id, patch, session, provenance) {
      const actor = { type: 'user', id: session.user.id } as const
      const draft = { type: 'policy.updated', actor, policy: readUuid(id) } as const
      return audit.attempt(draft, provenance, (attempt) =>
        attempt.commit(async (transaction) => {
          const current = await findPolicy(transaction, id)
          const policy = patchPolicy(current, patch, clock())
          attempt.note(describePolicy(policy))
          const { clientId } = policy
          const isNew = clientId !== undefined && clientId !== current.clientId
          if (isNew) await assertActiveClient(transaction, clientId)
          await assertTermsFree(transaction, policy)
          await transaction.policies.update(policy)
          return { policy, warnings: describeBreadth(policy) }
        }),
      )
    },
    remove(id, session, provenance) {
      const actor = { type: 'user', id: session.user.id } as const
      const draft = { type: 'policy.deleted', actor, policy: readUuid(id) } as const
      return audit.attempt(draft, provenance, (attempt) =>
        attempt.commit(async (transaction) => {
          const policy = await findPolicy(transaction, id)
          const delegations = await transaction.delegations.removeByPolicy(policy.id)
          await transaction.policies.remove(policy.id)
          attempt.note({ client: policy.clientId, details: { delegations } })
          return policy
        }),
      )
    },
  }
}

/** A policy from what was said of it; throws `invalid_request`, `invalid_scope` or `invalid_target`. */
export function createPolicy(input: PolicyInput, createdBy: string | undefined, now: number): Policy {
  const { roleName, agentType, maxTtlSeconds } = input
  assertNames(roleName, agentType)
  if (maxTtlSeconds !== undefined && !Number.isSafeInteger(maxTtlSeconds)) {
    throw new AuthsecError('invalid_request', `max_ttl_seconds ${quote(maxTtlSeconds)} is not a whole number`)
  }
  const clientId = input.clientId === undefined ? undefined : readClientId(input.clientId)
  const resources = [...new Set(input.resources ?? [ANY_RESOURCE])]
  for (const resource of resources) if (resource !== ANY_RESOURCE) assertResourceUri(resource)

  const seconds = maxTtlSeconds === undefined || maxTtlSeconds <= 0 ? DEFAULT_BASE_TTL : maxTtlSeconds
  return {
    id: randomUUID(),
    roleName,
    agentType,
    allowedPermissions: sortPermissions(parsePermissions(input.allowedPermissions)),
    resources,
    maxTtlSeconds: Math.min(seconds, MAX_BASE_TTL),
    enabled: input.enabled ?? true,
    clientId,
    createdBy,
    createdAt: now,
    updatedAt: now,
  }
}

// A policy is for roles and clients that there may be: longer names, and others, no client and no seed can have.
function assertNames(roleName: string, agentType: string): void {
  assertRoleName('role_name', roleName)
  if (agentType === '') throw new AuthsecError('invalid_request', 'agent_type is empty')
  if (!AGENT_TYPE.test(agentType)) {
    throw new AuthsecError('invalid_request', `agent_type ${quote(agentType)} ${AGENT_TYPE_RULE}`)
  }
}

function patchPolicy(current: Policy, patch: PolicyPatch, now: number): Policy {
  const checked = createPolicy(
    {
      roleName: patch.roleName ?? current.roleName,
      agentType: patch.agentType ?? current.agentType,
      allowedPermissions: patch.allowedPermissions ?? current.allowedPermissions,
      resources: patch.resources ?? current.resources,
      maxTtlSeconds: patch.maxTtlSeconds ?? current.maxTtlSeconds,
      enabled: patch.enabled ?? current.enabled,
      clientId: patch.clientId === undefined ? current.clientId : (patch.clientId ?? undefined),
    },
    current.createdBy,
    current.createdAt,
  )
  return { ...checked, id: current.id, updatedAt: now }
}

async function findPolicy({ policies }: Pick<Queries, 'policies'>, id: string): Promise<Policy> {
  const policy = await findById(policies, id)
  if (policy === undefined) throw new AuthsecError('not_found', `no policy ${quote(id)}`)
  return policy
}

async function assertTermsFree({ policies }: Pick<Queries, 'policies'>, policy: Policy): Promise<void> {
  const other = await policies.findByTerms(policy.roleName, policy.agentType)
  if (other === undefined || other.id === policy.id) return
  throw new AuthsecError(
    'conflict',
    `a policy for role ${quote(policy.roleName)} and agent type ${quote(policy.agentType)} exists already`,
  )
}

/** What the log tells of a policy. */
export function describePolicy(policy: Policy): Partial<AuditDraft> {
  const warnings = describeBreadth(policy)
  return {
    policy: policy.id,
    client: policy.clientId,
    aud: [...policy.resources],
    permissions: { granted: [...policy.allowedPermissions] },
    details: {
      role_name: policy.roleName,
      agent_type: policy.agentType,
      max_ttl_seconds: policy.maxTtlSeconds,
      enabled: policy.enabled,
      ...(warnings.length > 0 && { warnings }),
    },
  }
}

// What is no mistake where it is made good afterwards, and else has no effect that anybody would notice.
async function describeSlips(
  store: Pick<Queries, 'users' | 'resources'>,
  { roleName, resources, maxTtlSeconds }: Policy,
  input: PolicyInput,
): Promise<string[]> {
  const slips: string[] = []
  const [roles, registered] = await Promise.all([store.users.listRoles(), store.resources.list()])
  if (!roles.some(({ name }) => name === roleName)) slips.push(`nobody has the role ${quote(roleName)} yet`)
  for (const uri of resources) {
    if (uri !== ANY_RESOURCE && !registered.some((resource) => resource.uri === uri)) {
      slips.push(`the resource ${quote(uri, 200)} is not registered yet`)
    }
  }
  if ((input.maxTtlSeconds ?? 0) > maxTtlSeconds) {
    slips.push(`a delegation lives ${formatDuration(maxTtlSeconds)} at most`)
  }
  return slips
}

function describeBreadth(policy: Policy): string[] {
  const warnings: string[] = []
  if (delegatesEverything(policy)) {
    warnings.push('no allowed_permissions: the policy delegates everything the user has')
  }
  if (policy.resources.includes(ANY_RESOURCE)) {
    warnings.push('no resources: the policy reaches every registered resource')
  }
  return warnings
}
