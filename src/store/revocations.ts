import type { Kysely } from 'kysely'
import { roundUp } from './columns.js'
import type { Schema } from './schema.js'

export interface RevocationQueries {
  /** Whether one of these tokens, by jti, has been revoked before its time. */
  hasAny(jtis: readonly string[]): Promise<boolean>
}
export interface RevocationChanges extends RevocationQueries {
  /** Revokes a token until the millisecond in which it expires by itself. */
  insert(token: { jti: string; expiresAt: number }): Promise<void>
  /** Forgets what has expired before. */
  sweep(before: number): Promise<void>
}

export function createRevocations(db: Kysely<Schema>): RevocationChanges {
  return {
    async hasAny(jtis) {
      if (jtis.length === 0) return false
      const row = await db
        .selectFrom('revoked_tokens')
        .select('jti')
        .where('jti', 'in', jtis)
        .limit(1)
        .executeTakeFirst()
      return row !== undefined
    },
    async insert({ jti, expiresAt }) {
      await db
        .insertInto('revoked_tokens')
        .values({ jti, expires_at: roundUp(expiresAt) })
        .onConflict((conflict) => conflict.doNothing())
        .execute()
    },
    async sweep(before) {
      await db.deleteFrom('revoked_tokens').where('expires_at', '<', before).execute()
    },
  }
}
