import type { CompiledQuery, InsertObject, Kysely } from 'kysely'
import type { Schema } from './schema.js'

type Row<T extends keyof Schema> = InsertObject<Schema, T>

// The parameters of so many rows fit into one statement of either engine.
const MAX_ROWS = 256

/**
 * Inserts rows of one table, all of which name the same columns in the same order, with few statements: of 1, 2, 4 …
 * rows, each built once, because building one takes as long as running it.
 */
export function createInsert<T extends keyof Schema>(
  table: T,
): (db: Kysely<Schema>, rows: readonly Row<T>[]) => Promise<void> {
  const statements = new Map<number, CompiledQuery>()

  function compile(db: Kysely<Schema>, rows: readonly Row<T>[]): CompiledQuery {
    const known = statements.get(rows.length)
    if (known !== undefined) return { ...known, parameters: rows.flatMap((row) => Object.values(row)) }
    const statement = db.insertInto(table).values(rows).compile()
    statements.set(rows.length, statement)
    return statement
  }

  return async (db, rows) => {
    let start = 0
    for (let size = MAX_ROWS; start < rows.length; size >>= 1) {
      while (rows.length - start >= size) {
        await db.executeQuery(compile(db, rows.slice(start, start + size)))
        start += size
      }
    }
  }
}
