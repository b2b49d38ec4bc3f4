import { type RawBuilder, sql } from 'kysely'

/** The time of the database, in milliseconds since the epoch, as part of a statement: the one clock of all servers. */
export type DatabaseTime = RawBuilder<number>

/** A moment so many milliseconds after the time of the database. */
export function later(now: DatabaseTime, ms: number): RawBuilder<number> {
  return sql<number>`${now} + ${sql.lit(ms)}`
}
