import type { Kysely } from 'kysely'
import { choosePolicy } from '../core/policy.js'
import { orUndefined, readList } from './columns.js'
import type { PolicyRow, Schema } from './schema.js'
import type { Policy, PolicyChanges } from './store.js'

export function createPolicies(db: Kysely<Schema>, touch: () => Promise<void>): PolicyChanges {
  const rows = db.selectFrom('policies').selectAll()

  return {
    async find(id) {
      const row = await rows.where('id', '=', id).executeTakeFirst()
      return row && toPolicy(row)
    },
    async findApplicable(roles, agentType, clientId) {
      if (roles.length === 0) return undefined
      const applicable = await rows
        .where('role_name', 'in', roles)
        .where('agent_type', '=', agentType)
        .where('enabled', '=', 1)
        .orderBy('created_at')
        .orderBy('id')
        .execute()
      return choosePolicy(applicable.map(toPolicy), clientId)
    },
    async findByTerms(roleName, agentType) {
      const row = await rows
        .where('role_name', '=', roleName)
        .where('agent_type', '=', agentType)
        .executeTakeFirst()
      return row && toPolicy(row)
    },
    async list({ roleName, agentType, enabled, clientId }) {
      let matching = rows
      if (roleName !== undefined) matching = matching.where('role_name', '=', roleName)
      if (agentType !== undefined) matching = matching.where('agent_type', '=', agentType)
      if (enabled !== undefined) matching = matching.where('enabled', '=', enabled ? 1 : 0)
      if (clientId !== undefined) matching = matching.where('client_id', '=', clientId)
      return (await matching.orderBy('created_at', 'desc').orderBy('id').execute()).map(toPolicy)
    },
    async insert(policy) {
      await db.insertInto('policies').values(toRow(policy)).execute()
      await touch()
    },
    async update(policy) {
      const { id, ...row } = toRow(policy)
      await db.updateTable('policies').set(row).where('id', '=', id).execute()
      await touch()
    },
    async remove(id) {
      await db.deleteFrom('policies').where('id', '=', id).execute()
      await touch()
    },
  }
}

function toPolicy(row: PolicyRow): Policy {
  return {
    id: row.id,
    roleName: row.role_name,
    agentType: row.agent_type,
    allowedPermissions: readList(row.allowed_permissions),
    resources: readList(row.resources),
    maxTtlSeconds: row.max_ttl_seconds,
    enabled: row.enabled === 1,
    clientId: orUndefined(row.client_id),
    createdBy: orUndefined(row.created_by),
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

function toRow(policy: Policy): PolicyRow {
  return {
    id: policy.id,
    role_name: policy.roleName,
    agent_type: policy.agentType,
    allowed_permissions: JSON.stringify(policy.allowedPermissions),
    resources: JSON.stringify(policy.resources),
    max_ttl_seconds: policy.maxTtlSeconds,
    enabled: policy.enabled ? 1 : 0,
    client_id: policy.clientId ?? null,
    created_by: policy.createdBy ?? null,
    created_at: policy.createdAt,
    updated_at: policy.updatedAt,
  }
}
