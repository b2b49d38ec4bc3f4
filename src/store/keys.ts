import { type Kysely, sql } from 'kysely'
import { KEY_REVISION, orUndefined } from './columns.js'
import type { KeyRow, Schema } from './schema.js'
import type { KeyChanges, StoredKey } from './store.js'

export function createKeys(db: Kysely<Schema>, touch: () => Promise<void>): KeyChanges {
  return {
    async list() {
      const rows = await db.selectFrom('keys').selectAll().orderBy('created_at').orderBy('kid').execute()
      return rows.map(toKey)
    },
    async findState(kid) {
      const row = await db.selectFrom('keys').select('state').where('kid', '=', kid).executeTakeFirst()
      return row?.state
    },
    async revision() {
      const row = await db
        .selectFrom('settings')
        .select('value')
        .where('name', '=', KEY_REVISION)
        .executeTakeFirstOrThrow()
      return Number(row.value)
    },
    async insert(key) {
      await db.insertInto('keys').values(toRow(key)).execute()
    },
    async update(key) {
      const { kid, ...row } = toRow(key)
      await db.updateTable('keys').set(row).where('kid', '=', kid).execute()
    },
    async remove(kid) {
      await db.deleteFrom('keys').where('kid', '=', kid).execute()
    },
    async notePublished(kid, at) {
      await db
        .updateTable('keys')
        .set({ published_at: at })
        .where('kid', '=', kid)
        .where('published_at', 'is', null)
        .execute()
    },
    async advance(from) {
      const { numUpdatedRows } = await db
        .updateTable('settings')
        .set({ value: sql`cast(cast(value as integer) + 1 as text)` })
        .where('name', '=', KEY_REVISION)
        .where('value', '=', String(from))
        .executeTakeFirst()
      if (numUpdatedRows === 0n) return false
      await touch()
      return true
    },
  }
}

function toKey(row: KeyRow): StoredKey {
  return {
    kid: row.kid,
    purpose: row.purpose,
    alg: row.alg,
    state: row.state,
    publicJwk: orUndefined(row.public_jwk),
    sealedJwk: row.sealed_jwk,
    createdAt: row.created_at,
    publishedAt: orUndefined(row.published_at),
    activatedAt: orUndefined(row.activated_at),
    stoppedAt: orUndefined(row.stopped_at),
  }
}

function toRow(key: StoredKey): KeyRow {
  return {
    kid: key.kid,
    purpose: key.purpose,
    alg: key.alg,
    state: key.state,
    public_jwk: key.publicJwk ?? null,
    sealed_jwk: key.sealedJwk,
    created_at: key.createdAt,
    published_at: key.publishedAt ?? null,
    activated_at: key.activatedAt ?? null,
    stopped_at: key.stoppedAt ?? null,
  }
}
