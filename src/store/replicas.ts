import { type Kysely, sql } from 'kysely'
import { type DatabaseTime, later } from './database-time.js'
import type { Schema } from './schema.js'

/** A server process that has the store open, as the others see it. */
export interface LiveReplica {
  bootId: string
  /** The revision of the keys that it serves. */
  keyRevision: number
  /** For how long it has served that, in milliseconds of the database's own clock. */
  servedMs: number
}

export interface ReplicaQueries {
  /** Those whose lease has not ended. */
  listLive(): Promise<LiveReplica[]>
  isLive(bootId: string): Promise<boolean>
  /** The database's own clock, in milliseconds since the epoch. */
  readTime(): Promise<number>
}
export interface ReplicaChanges extends ReplicaQueries {
  /** Lets a server count as alive for so many milliseconds from now, and notes what it serves. */
  renew(replica: { bootId: string; keyRevision: number; leaseMs: number }): Promise<void>
  /** Forgets a server that stops, and those that have been silent for a day. */
  remove(bootId: string): Promise<void>
}

const DAY_MS = 86_400_000

export function createReplicas(db: Kysely<Schema>, now: DatabaseTime): ReplicaChanges {
  const live = db.selectFrom('replicas').where('lease_until', '>', now)
  return {
    async listLive() {
      const rows = await live
        .select(['boot_id', 'key_revision', sql<number>`${now} - served_since`.as('served_ms')])
        .execute()
      return rows.map((row) => ({
        bootId: row.boot_id,
        keyRevision: row.key_revision,
        servedMs: row.served_ms,
      }))
    },
    async isLive(bootId) {
      return (await live.select('boot_id').where('boot_id', '=', bootId).executeTakeFirst()) !== undefined
    },
    async readTime() {
      const row = await db.selectNoFrom(now.as('time')).executeTakeFirstOrThrow()
      return row.time
    },
    async renew({ bootId, keyRevision, leaseMs }) {
      const lease = { key_revision: keyRevision, lease_until: later(now, leaseMs) }
      await db
        .insertInto('replicas')
        .values({ boot_id: bootId, served_since: now, ...lease })
        .onConflict((conflict) =>
          conflict.column('boot_id').doUpdateSet({
            ...lease,
            served_since: sql`case when replicas.key_revision = ${keyRevision} then replicas.served_since else ${now} end`,
          }),
        )
        .execute()
    },
    async remove(bootId) {
      await db
        .deleteFrom('replicas')
        .where((eb) => eb.or([eb('boot_id', '=', bootId), eb('lease_until', '<', later(now, -DAY_MS))]))
        .execute()
    },
  }
}
