import { type CompiledQuery, type Kysely, sql } from 'kysely'
import { REVISION_SETTING } from './columns.js'
import type { Schema } from './schema.js'

/** What nearly every transaction needs to know of the state in which it begins. */
export interface Opening {
  /** How many changes of authority there have been. */
  revision: number
  /** The highest sequence number of the log; -1 while it is empty. */
  head: number
}

/** One question, without parameters, so that an engine can ask it along with the beginning. */
const QUESTION = sql<Opening>`
  select (select cast(value as bigint) from settings where name = ${sql.lit(REVISION_SETTING)}) as revision,
    (select coalesce(max(seq), -1) from audit_events) as head`

/** The question as it is asked of a database. */
export function compileOpening(db: Kysely<Schema>): CompiledQuery<Opening> {
  return QUESTION.compile(db)
}

/** Asks it. */
export async function readOpening(db: Kysely<Schema>, question: CompiledQuery<Opening>): Promise<Opening> {
  const { rows } = await db.executeQuery(question)
  return { revision: Number(rows[0]?.revision), head: Number(rows[0]?.head) }
}
