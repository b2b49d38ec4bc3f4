import type { Kysely } from 'kysely'
import { orUndefined } from './columns.js'
import type { Schema } from './schema.js'
import type { KeyChanges } from './store.js'

export function createKeys(db: Kysely<Schema>): KeyChanges {
  return {
    async list() {
      const rows = await db.selectFrom('keys').selectAll().orderBy('created_at').orderBy('kid').execute()
      return rows.map((row) => ({
        kid: row.kid,
        purpose: row.purpose,
        alg: row.alg,
        state: row.state,
        publicJwk: orUndefined(row.public_jwk),
        sealedJwk: row.sealed_jwk,
        createdAt: row.created_at,
      }))
    },
    async insert(key) {
      await db
        .insertInto('keys')
        .values({
          kid: key.kid,
          purpose: key.purpose,
          alg: key.alg,
          state: key.state,
          public_jwk: key.publicJwk ?? null,
          sealed_jwk: key.sealedJwk,
          created_at: key.createdAt,
        })
        .execute()
    },
  }
}
