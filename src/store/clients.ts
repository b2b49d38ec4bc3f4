import { type Kysely, sql } from 'kysely'
import { orUndefined } from './columns.js'
import type { ClientRow, Schema } from './schema.js'
import type { Client, ClientChanges } from './store.js'

export function createClients(db: Kysely<Schema>, touch: () => Promise<void>): ClientChanges {
  return {
    async find(id) {
      const row = await db.selectFrom('clients').selectAll().where('id', '=', id).executeTakeFirst()
      return row && toClient(row)
    },
    async list({ name, active, offset, limit }) {
      let matching = db.selectFrom('clients')
      if (name !== undefined) {
        const pattern = `%${escapeLike(name)}%`
        // Both sides are folded by the engine, which knows other letters than JavaScript does.
        matching = matching.where(sql<boolean>`lower(name) like lower(${pattern}) escape '\\'`)
      }
      if (active !== undefined) matching = matching.where('active', '=', active ? 1 : 0)

      const { total } = await matching
        .select((select) => select.fn.countAll<number>().as('total'))
        .executeTakeFirstOrThrow()
      const rows = await matching
        .selectAll()
        .orderBy('created_at', 'desc')
        .orderBy('id')
        .offset(offset)
        .limit(limit)
        .execute()
      return { clients: rows.map(toClient), total: Number(total) }
    },
    async insert(client) {
      await db.insertInto('clients').values(toRow(client)).execute()
      await touch()
    },
  }
}

function toClient(row: ClientRow): Client {
  return {
    id: row.id,
    name: row.name,
    email: row.email,
    clientType: row.client_type,
    agentType: orUndefined(row.agent_type),
    spiffeId: orUndefined(row.spiffe_id),
    platform: orUndefined(row.platform),
    selectors: JSON.parse(row.selectors),
    active: row.active === 1,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}

function toRow(client: Client): ClientRow {
  return {
    id: client.id,
    name: client.name,
    email: client.email,
    client_type: client.clientType,
    agent_type: client.agentType ?? null,
    spiffe_id: client.spiffeId ?? null,
    platform: client.platform ?? null,
    selectors: JSON.stringify(client.selectors),
    active: client.active ? 1 : 0,
    created_at: client.createdAt,
    updated_at: client.updatedAt,
  }
}

function escapeLike(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&')
}
