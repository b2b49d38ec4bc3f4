import type { Kysely } from 'kysely'
import { roundUp } from './columns.js'
import type { Schema } from './schema.js'

/** What remembers that a one-time token has been used. */
export interface UseQueries {
  has(jti: string): Promise<boolean>
}
export interface UseChanges extends UseQueries {
  /** Remembers a token until the millisecond in which nobody accepts it any more; false when it has been used before. */
  insert(token: { jti: string; expiresAt: number }): Promise<boolean>
  /** Forgets what has expired before. */
  sweep(before: number): Promise<void>
}

export function createUses(db: Kysely<Schema>): UseChanges {
  return {
    async has(jti) {
      const row = await db.selectFrom('used_tokens').select('jti').where('jti', '=', jti).executeTakeFirst()
      return row !== undefined
    },
    async insert({ jti, expiresAt }) {
      const { numInsertedOrUpdatedRows } = await db
        .insertInto('used_tokens')
        .values({ jti, expires_at: roundUp(expiresAt) })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirstOrThrow()
      return numInsertedOrUpdatedRows === 1n
    },
    async sweep(before) {
      await db.deleteFrom('used_tokens').where('expires_at', '<', before).execute()
    },
  }
}
