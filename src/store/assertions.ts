import type { Kysely } from 'kysely'
import { roundUp } from './columns.js'
import type { Schema } from './schema.js'

/** What remembers that an assertion of a client has been used (RFC 7523 §3, `jti`). */
export interface AssertionChanges {
  /** Remembers an assertion until the millisecond in which it expires; false when it has been used before. */
  use(assertion: { clientId: string; jtiHash: string; expiresAt: number }): Promise<boolean>
  /** Forgets what has expired before. */
  sweep(before: number): Promise<void>
}

export function createAssertions(db: Kysely<Schema>): AssertionChanges {
  return {
    async use({ clientId, jtiHash, expiresAt }) {
      const { numInsertedOrUpdatedRows } = await db
        .insertInto('used_assertions')
        .values({ client_id: clientId, jti_hash: jtiHash, expires_at: roundUp(expiresAt) })
        .onConflict((conflict) => conflict.doNothing())
        .executeTakeFirstOrThrow()
      return numInsertedOrUpdatedRows === 1n
    },
    async sweep(before) {
      await db.deleteFrom('used_assertions').where('expires_at', '<', before).execute()
    },
  }
}
