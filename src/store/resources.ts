import type { Kysely } from 'kysely'
import { orUndefined, readList } from './columns.js'
import type { Schema } from './schema.js'
import type { Resource, ResourceChanges } from './store.js'

export function createResources(db: Kysely<Schema>, touch: () => Promise<void>): ResourceChanges {
  return {
    async find(uri) {
      const row = await db.selectFrom('resources').selectAll().where('uri', '=', uri).executeTakeFirst()
      return row && toResource(row)
    },
    async list() {
      const rows = await db.selectFrom('resources').selectAll().orderBy('uri').execute()
      return rows.map(toResource)
    },
    async insert({ uri, permissions, clientId, createdAt }) {
      await db
        .insertInto('resources')
        .values({
          uri,
          permissions: JSON.stringify(permissions),
          client_id: clientId ?? null,
          created_at: createdAt,
        })
        .execute()
      await touch()
    },
  }
}

function toResource(row: Schema['resources']): Resource {
  return {
    uri: row.uri,
    permissions: readList(row.permissions),
    clientId: orUndefined(row.client_id),
    createdAt: row.created_at,
  }
}
