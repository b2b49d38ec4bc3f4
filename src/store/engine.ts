import type { Dialect, Kysely } from 'kysely'
import type { DatabaseTime } from './database-time.js'
import type { Insert } from './insert.js'
import type { Schema } from './schema.js'

/** An open database, and what makes it fit for keeping something. */
export interface Engine {
  /**
   * Its failures that have a meaning are `temporarily_unavailable` (full disk, I/O error, a database that is away),
   * `conflict` (a unique value is taken) and `content_too_large`; every other is a surprise.
   */
  dialect: Dialect
  /** Readies the store for durable commits. It may change it, so it comes after the proof that it is ours. */
  makeDurable(): void
  /**
   * Resolves once everything that was committed before the call is on the disk. Where it fails nobody knows what is:
   * it throws `temporarily_unavailable`, then and from then on, until `recover` has made that good.
   */
  flush(): Promise<void>
  /**
   * Does nothing as long as no flush has failed. Otherwise closes the file, opens it again, and checks and writes
   * anew what is in it; throws `temporarily_unavailable` while that fails. Not while a transaction is open. Returns
   * whether there was something to make good: what was committed but not flushed may then be gone.
   */
  recover(): boolean
  /**
   * Writes the file anew, so that nothing is left in it of what was overwritten or removed. Not while a transaction is
   * open. A server of databases leaves that to whoever runs it.
   */
  purge?: () => void
  /** Whether nobody but this process can change what is kept while it has it open. */
  isAlone: boolean
  /** What somebody can do whose store this one cannot be, as the end of a sentence. */
  alternative: string
  /**
   * Names a question without parameters that the first statement of nearly every transaction asks: it may be asked along
   * with the beginning, and answered without another way to the database.
   */
  foresee(question: string): void
  /** Inserts many rows in the way that costs it the least. */
  insert: Insert
  /** Its clock, which all who have the store open go by. */
  now: DatabaseTime
  /** Puts a step of the schema into the words of the engine. */
  adaptStatement(statement: string): string
  /** The tables that are there, whoever made them. */
  listTables(db: Kysely<Schema>): Promise<string[]>
}
