import { type CompiledQuery, type InsertObject, type Kysely, sql } from 'kysely'
import { bindValues } from './bound-values.js'
import type { Schema } from './schema.js'

/** The tables whose rows JSON can carry: nothing in them is bytes. */
type TextTable = {
  [T in keyof Schema]: Schema[T][keyof Schema[T]] extends string | number | null ? T : never
}[keyof Schema]

type Row = InsertObject<Schema, TextTable>

/** Inserts rows of one table or several. All rows of a table name the same columns in the same order. */
export type Insert = (
  db: Kysely<Schema>,
  rowsOf: { readonly [T in TextTable]?: readonly InsertObject<Schema, T>[] },
) => Promise<void>

// The parameters of so many rows fit into one statement of either engine.
const MAX_ROWS = 256
// Up to so many rows are one statement, whatever their number.
const MAX_EXACT = 32

/**
 * With a parameter for each value, and few statements: of 1 to 32, 64, 128 or 256 rows, each built once, because building
 * one takes as long as running it.
 */
export function createInsert(): Insert {
  const statements = new Map<string, CompiledQuery>()

  function compile(db: Kysely<Schema>, table: TextTable, rows: readonly Row[]): CompiledQuery {
    const key = `${table} ${rows.length}`
    const known = statements.get(key)
    if (known !== undefined) return { ...known, parameters: listValues(rows) }
    const statement = db.insertInto(table).values(rows).compile()
    statements.set(key, statement)
    return statement
  }

  return async (db, rowsOf) => {
    for (const [table, rows] of listTables(rowsOf)) {
      for (let start = 0; start < rows.length; ) {
        const size = fitStatement(rows.length - start)
        await db.executeQuery(compile(db, table, rows.slice(start, start + size)))
        start += size
      }
    }
  }
}

/**
 * In one statement, with all rows of a table in one parameter, for PostgreSQL: where every value goes over the wire by
 * itself, writing them is a tenth of what the server does, and so is a statement more.
 */
export const insertByJson: Insert = async (db, rowsOf) => {
  const [last, ...others] = listTables(rowsOf).map(([table, rows]) => {
    // As JSON what cannot be stored would look as if it could.
    bindValues(listValues(rows))
    const columns = sql.join(Object.keys(rows[0] ?? {}).map((name) => sql.ref(name)))
    return sql`insert into ${sql.table(table)} (${columns})
      select ${columns} from json_populate_recordset(null::${sql.table(table)}, ${JSON.stringify(rows)})`
  })
  if (last === undefined) return
  const parts = others.map((insert, index) => sql`${sql.ref(`part${index}`)} as (${insert})`)
  await (parts.length === 0 ? last : sql`with ${sql.join(parts)} ${last}`).execute(db)
}

/** The tables of which there are rows. */
function listTables(rowsOf: Parameters<Insert>[1]): [table: TextTable, rows: readonly Row[]][] {
  const tables = Object.entries(rowsOf) as [TextTable, readonly Row[]][]
  return tables.filter(([, rows]) => rows.length > 0)
}

// Not by flatMap, which takes three microseconds for a row where this takes a fifth of one.
function listValues(rows: readonly object[]): unknown[] {
  const values: unknown[] = []
  for (const row of rows) values.push(...Object.values(row))
  return values
}

/** How many of so many rows the next statement inserts. */
function fitStatement(rows: number): number {
  return rows <= MAX_EXACT ? rows : Math.min(2 ** Math.floor(Math.log2(rows)), MAX_ROWS)
}
