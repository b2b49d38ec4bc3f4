import { type Kysely, sql } from 'kysely'
import { CREDENTIAL_COLUMNS, toCredentials } from './clients.js'
import { orUndefined, REVISION_SETTING, readList } from './columns.js'
import { toTarget } from './resources.js'
import type { DelegationRow, Schema } from './schema.js'
import type { Delegation, DelegationChanges, DelegationStatus, Standing } from './store.js'

export function createDelegations(
  db: Kysely<Schema>,
  touch: () => Promise<void>,
  revision: () => Promise<number>,
): DelegationChanges {
  const byClient = (clientId: string) =>
    db.selectFrom('delegations').selectAll().where('client_id', '=', clientId).executeTakeFirst()

  return {
    revision,
    async findByClient(clientId) {
      const row = await byClient(clientId)
      return row && toDelegation(row)
    },
    async findByJti(jti) {
      const row = await db.selectFrom('delegations').selectAll().where('jti', '=', jti).executeTakeFirst()
      return row && toDelegation(row)
    },
    async list({ clientId, limit }) {
      let rows = db
        .selectFrom('delegations as d')
        .innerJoin('clients as c', 'c.id', 'd.client_id')
        .selectAll('d')
        .select('c.name as client_name')
      if (clientId !== undefined) rows = rows.where('d.client_id', '=', clientId)
      const found = await rows.orderBy('d.updated_at', 'desc').orderBy('d.id').limit(limit).execute()
      return found.map(({ client_name: clientName, ...row }) => {
        const { sealedToken: _secret, ...delegation } = toDelegation(row)
        return { ...delegation, clientName }
      })
    },
    async findStanding(clientId, resourceUri) {
      const rows = await selectStanding(db, clientId, resourceUri).execute()
      return toStanding(rows, resourceUri)
    },
    async listEnded(now, limit) {
      const rows = await db
        .selectFrom('delegations')
        .selectAll()
        .where('end_recorded', '=', 0)
        .where('status', '=', 'active')
        .where('expires_at', '<=', now)
        .orderBy('expires_at')
        .limit(limit)
        .execute()
      return rows.map(toDelegation)
    },
    async findNextEnd() {
      const row = await db
        .selectFrom('delegations')
        .select('expires_at')
        .where('end_recorded', '=', 0)
        .where('status', '=', 'active')
        .orderBy('expires_at')
        .limit(1)
        .executeTakeFirst()
      return row?.expires_at
    },
    async replace(delegation) {
      const former = await byClient(delegation.clientId)
      const kept =
        former === undefined ? delegation : { ...delegation, id: former.id, createdAt: former.created_at }
      await db
        .insertInto('delegations')
        .values(toRow(kept))
        .onConflict((conflict) => conflict.column('client_id').doUpdateSet(toRow(kept)))
        .execute()
      await touch()
      return kept
    },
    async setStatus(clientId, status, updatedAt) {
      await db
        .updateTable('delegations')
        .set({ status, updated_at: updatedAt })
        .where('client_id', '=', clientId)
        .execute()
      await touch()
    },
    async noteEnd({ clientId, jti }) {
      const { numUpdatedRows } = await db
        .updateTable('delegations')
        .set({ end_recorded: 1 })
        .where('client_id', '=', clientId)
        .where('jti', '=', jti)
        .where('end_recorded', '=', 0)
        .executeTakeFirst()
      return numUpdatedRows > 0n
    },
    async listAll() {
      const rows = await db.selectFrom('delegations').selectAll().execute()
      return rows.map(toDelegation)
    },
    async reseal(clientId, sealedToken) {
      await db
        .updateTable('delegations')
        .set({ token: sealedToken })
        .where('client_id', '=', clientId)
        .execute()
    },
    async removeByPolicy(policyId) {
      const { numDeletedRows } = await db
        .deleteFrom('delegations')
        .where('policy_id', '=', policyId)
        .executeTakeFirst()
      await touch()
      return Number(numDeletedRows)
    },
    async removeByClient(clientId) {
      await db.deleteFrom('delegations').where('client_id', '=', clientId).execute()
      await touch()
    },
  }
}

// One row for each role that the user still has, the rest repeated in each.
function selectStanding(db: Kysely<Schema>, clientId: string, resourceUri: string) {
  return db
    .selectFrom('delegations as d')
    .innerJoin('clients as c', 'c.id', 'd.client_id')
    .innerJoin('users as u', 'u.id', 'd.user_id')
    .innerJoin('policies as p', 'p.id', 'd.policy_id')
    .leftJoin('resources as r', (join) => join.on('r.uri', '=', sql.val(resourceUri)))
    .leftJoin('role_bindings as b', 'b.user_id', 'd.user_id')
    .leftJoin('roles', 'roles.name', 'b.role_name')
    .innerJoin('settings as s', (join) => join.on('s.name', '=', sql.val(REVISION_SETTING)))
    .selectAll('d')
    .select([
      'c.agent_type as client_agent_type',
      'c.spiffe_id',
      'c.active as client_active',
      ...CREDENTIAL_COLUMNS,
      'u.email',
      'u.active as user_active',
      'p.role_name',
      'p.agent_type',
      'p.allowed_permissions',
      'p.resources as policy_resources',
      'p.enabled',
      'p.client_id as policy_client_id',
      'r.permissions as resource_permissions',
      'r.signing_alg as resource_signing_alg',
      'r.client_id as resource_client_id',
      'roles.name as role',
      'roles.permissions as role_permissions',
      's.value as revision',
    ])
    .where('d.client_id', '=', clientId)
}

type StandingRow = Awaited<ReturnType<ReturnType<typeof selectStanding>['execute']>>[number]

function toStanding(rows: readonly StandingRow[], resourceUri: string): Standing | undefined {
  const [row] = rows
  if (row === undefined) return undefined
  return {
    delegation: toDelegation(row),
    client: {
      id: row.client_id,
      agentType: orUndefined(row.client_agent_type),
      spiffeId: orUndefined(row.spiffe_id),
      active: row.client_active === 1,
      ...toCredentials(row),
    },
    user: {
      id: row.user_id,
      email: row.email,
      active: row.user_active === 1,
      roles: rows.flatMap(({ role }) => role ?? []),
      permissions: new Set(rows.flatMap(({ role_permissions }) => readList(role_permissions ?? '[]'))),
    },
    policy: {
      id: row.policy_id,
      roleName: row.role_name,
      agentType: row.agent_type,
      allowedPermissions: readList(row.allowed_permissions),
      resources: readList(row.policy_resources),
      enabled: row.enabled === 1,
      clientId: orUndefined(row.policy_client_id),
    },
    resource: toTarget(row, resourceUri),
    revision: Number(row.revision),
  }
}

function toDelegation(row: DelegationRow): Delegation {
  return {
    id: row.id,
    clientId: row.client_id,
    userId: row.user_id,
    policyId: row.policy_id,
    permissions: readList(row.permissions),
    resources: readList(row.resources),
    audience: readList(row.audience),
    jti: row.jti,
    sealedToken: row.token,
    status: row.status as DelegationStatus,
    ttlSeconds: row.ttl_seconds,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    expiresAt: row.expires_at,
  }
}

function toRow(delegation: Delegation): DelegationRow {
  return {
    id: delegation.id,
    client_id: delegation.clientId,
    user_id: delegation.userId,
    policy_id: delegation.policyId,
    permissions: JSON.stringify(delegation.permissions),
    resources: JSON.stringify(delegation.resources),
    audience: JSON.stringify(delegation.audience),
    jti: delegation.jti,
    token: delegation.sealedToken,
    status: delegation.status,
    ttl_seconds: delegation.ttlSeconds,
    created_at: delegation.createdAt,
    updated_at: delegation.updatedAt,
    expires_at: delegation.expiresAt,
    // What is put in the place of another one has its end before it.
    end_recorded: 0,
  }
}
