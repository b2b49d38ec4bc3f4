import type { Kysely } from 'kysely'
import { readList } from './columns.js'
import type { ExternalServiceRow, Schema } from './schema.js'

/** Something outside that agents use with credentials of its own. */
export interface ExternalService {
  id: string
  name: string
  type: string
  url: string
  description: string
  tags: readonly string[]
  resourceId: string
  authType: string
  /** Whether agents know of it at all. */
  agentAccessible: boolean
  /** The credentials, sealed: only the authority opens them. */
  sealedCredentials: Uint8Array
  createdBy: string
  createdAt: number
  updatedAt: number
}

export interface ExternalServiceQueries {
  find(id: string): Promise<ExternalService | undefined>
  findByName(name: string): Promise<ExternalService | undefined>
  /** By name. */
  list(): Promise<ExternalService[]>
}
export interface ExternalServiceChanges extends ExternalServiceQueries {
  insert(service: ExternalService): Promise<void>
  update(service: ExternalService): Promise<void>
  remove(id: string): Promise<void>
}

export function createExternalServices(db: Kysely<Schema>): ExternalServiceChanges {
  const rows = db.selectFrom('external_services').selectAll()
  return {
    async find(id) {
      const row = await rows.where('id', '=', id).executeTakeFirst()
      return row && toService(row)
    },
    async findByName(name) {
      const row = await rows.where('name', '=', name).executeTakeFirst()
      return row && toService(row)
    },
    async list() {
      return (await rows.orderBy('name').execute()).map(toService)
    },
    async insert(service) {
      await db.insertInto('external_services').values(toRow(service)).execute()
    },
    async update(service) {
      const { id, ...row } = toRow(service)
      await db.updateTable('external_services').set(row).where('id', '=', id).execute()
    },
    async remove(id) {
      await db.deleteFrom('external_services').where('id', '=', id).execute()
    },
  }
}

function toService(row: ExternalServiceRow): ExternalService {
  return {
    id: row.id,
    name: row.name,
    type: row.type,
    url: row.url,
    description: row.description,
    tags: readList(row.tags),
    resourceId: row.resource_id,
    authType: row.auth_type,
    agentAccessible: row.agent_accessible === 1,
    sealedCredentials: row.sealed_credentials,
    createdBy: row.created_by,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

function toRow(service: ExternalService): ExternalServiceRow {
  return {
    id: service.id,
    name: service.name,
    type: service.type,
    url: service.url,
    description: service.description,
    tags: JSON.stringify(service.tags),
    resource_id: service.resourceId,
    auth_type: service.authType,
    agent_accessible: service.agentAccessible ? 1 : 0,
    sealed_credentials: service.sealedCredentials,
    created_by: service.createdBy,
    created_at: service.createdAt,
    updated_at: service.updatedAt,
  }
}
