import type { Kysely } from 'kysely'
import { type DatabaseTime, later } from './database-time.js'
import type { Schema } from './schema.js'

/** What one server at a time does for all of them: each has a lease, which ends by the database's own clock. */
export interface LeaseChanges {
  /**
   * Takes a lease that nobody has, or renews one's own, for so many milliseconds. Returns its epoch, which counts the
   * holders: what was begun under an earlier one is not finished. Undefined while somebody else has it.
   */
  acquire(name: string, holder: string, durationMs: number): Promise<number | undefined>
  /** Gives a lease back before its time, if it is one's own. */
  release(name: string, holder: string): Promise<void>
}

export function createLeases(db: Kysely<Schema>, now: DatabaseTime): LeaseChanges {
  return {
    async acquire(name, holder, durationMs) {
      const known = await db.selectFrom('leases').selectAll().where('name', '=', name).executeTakeFirst()
      const expiresAt = later(now, durationMs)
      if (known === undefined) {
        await db.insertInto('leases').values({ name, holder, epoch: 1, expires_at: expiresAt }).execute()
        return 1
      }
      const epoch = known.holder === holder ? known.epoch : known.epoch + 1
      const { numUpdatedRows } = await db
        .updateTable('leases')
        .set({ holder, epoch, expires_at: expiresAt })
        .where('name', '=', name)
        .where((or) => or.or([or('holder', '=', holder), or('expires_at', '<=', now)]))
        .executeTakeFirst()
      return numUpdatedRows === 1n ? epoch : undefined
    },

    async release(name, holder) {
      await db
        .updateTable('leases')
        .set({ expires_at: now })
        .where('name', '=', name)
        .where('holder', '=', holder)
        .execute()
    },
  }
}
