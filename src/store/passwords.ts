import type { Kysely } from 'kysely'
import { orUndefined } from './columns.js'
import type { PasswordRow, Schema } from './schema.js'

/** The password of a user, as far as it is kept. */
export interface StoredPassword {
  userId: string
  /** scrypt with its parameters and salt. */
  hash: string
  /** Attempts since the last success, those under way included. */
  failures: number
  /** Until when every attempt is refused. */
  lockedUntil?: number | undefined
  /** The last success. */
  usedAt?: number | undefined
}

export interface PasswordQueries {
  find(userId: string): Promise<StoredPassword | undefined>
}
export interface PasswordChanges extends PasswordQueries {
  /** Puts a password in the place of the user's former one. */
  replace(password: StoredPassword): Promise<void>
}

export function createPasswords(db: Kysely<Schema>): PasswordChanges {
  return {
    async find(userId) {
      const row = await db
        .selectFrom('passwords')
        .selectAll()
        .where('user_id', '=', userId)
        .executeTakeFirst()
      return row && toPassword(row)
    },
    async replace(password) {
      const row = toRow(password)
      await db
        .insertInto('passwords')
        .values(row)
        .onConflict((conflict) => conflict.column('user_id').doUpdateSet(row))
        .execute()
    },
  }
}

function toPassword(row: PasswordRow): StoredPassword {
  return {
    userId: row.user_id,
    hash: row.hash,
    failures: row.failures,
    lockedUntil: orUndefined(row.locked_until),
    usedAt: orUndefined(row.used_at),
  }
}

function toRow(password: StoredPassword): PasswordRow {
  return {
    user_id: password.userId,
    hash: password.hash,
    failures: password.failures,
    locked_until: password.lockedUntil ?? null,
    used_at: password.usedAt ?? null,
  }
}
