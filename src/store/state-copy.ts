import { type Kysely, sql } from 'kysely'
import { AuthsecError } from '../core/errors.js'
import type { Bound } from './bound-values.js'
import { KEY_REVISION, REVISION_SETTING } from './columns.js'
import type { Engine } from './engine.js'
import { createSchema, upgradeSchema } from './migrate.js'
import type { Schema } from './schema.js'

/** A row as it is stored, by the names of its columns. */
export type StoredRow = Readonly<Record<string, Bound>>

/** Empties the store and fills it again with rows of one version of the schema, which is then brought up to date. */
export type Refill = (schema: number, rows: AsyncIterable<{ table: string; row: StoredRow }>) => Promise<void>

type TableName = keyof Schema

/** Every table with what orders its rows; those that others refer to come first. */
const TABLES: Readonly<Record<TableName, readonly string[]>> = {
  settings: ['name'],
  users: ['id'],
  roles: ['name'],
  role_bindings: ['user_id', 'role_name'],
  passwords: ['user_id'],
  clients: ['id'],
  resources: ['uri'],
  trust_rules: ['name'],
  policies: ['id'],
  delegations: ['id'],
  external_services: ['id'],
  keys: ['kid'],
  sessions: ['id'],
  approvals: ['id'],
  agent_actions: ['id'],
  used_tokens: ['jti'],
  revoked_tokens: ['jti'],
  used_assertions: ['client_id', 'jti_hash'],
  audit_events: ['seq'],
  audit_terms: ['seq'],
  audit_private: ['event_id'],
  audit_tiles: ['level', 'tile'],
  audit_heads: ['size'],
  replicas: ['boot_id'],
  leases: ['name'],
  guesses: ['guesser'],
}

const PAGE = 256
/** They go on where another state takes the place of this one, so that nobody takes the one for the other. */
const COUNTERS = [REVISION_SETTING, KEY_REVISION]

/**
 * Reads tables whole and page by page, all of them as they were at one moment. On SQLite nobody else is served
 * meanwhile: `take` only puts the rows somewhere else.
 */
export async function copyTables(
  db: Kysely<Schema>,
  tables: readonly string[],
  take: (table: string, rows: readonly StoredRow[]) => Promise<void>,
): Promise<void> {
  // SQLite has one connection, and what that sees does not change under it: it ignores the level.
  const reading = db.transaction().setIsolationLevel('repeatable read').setAccessMode('read only')
  await reading.execute(async (trx) => {
    for (const name of Object.keys(TABLES) as TableName[]) {
      if (tables.includes(name)) await copyTable(trx, name, (rows) => take(name, rows))
    }
  })
}

async function copyTable(
  trx: Kysely<Schema>,
  name: TableName,
  take: (rows: readonly StoredRow[]) => Promise<void>,
): Promise<void> {
  const key = TABLES[name]
  const columns = sql.join(key.map((column) => sql.ref(column)))
  for (let last: StoredRow | undefined; ; ) {
    const after = last && sql`where (${columns}) > (${sql.join(key.map((column) => last?.[column]))})`
    const page = sql<StoredRow>`select * from ${sql.table(name)} ${after ?? sql``} order by ${columns} limit ${PAGE}`
    const { rows } = await page.execute(trx)
    if (rows.length > 0) await take(rows)
    if (rows.length < PAGE) return
    last = rows.at(-1)
  }
}

/** Does what `Refill` says, within a transaction. Throws `state_unreadable` for rows that do not fit into the tables. */
export async function refillTables(
  trx: Kysely<Schema>,
  engine: Engine,
  schema: number,
  rows: Parameters<Refill>[1],
): Promise<void> {
  const counters = await trx.selectFrom('settings').selectAll().where('name', 'in', COUNTERS).execute()
  for (const name of Object.keys(TABLES).reverse()) await trx.schema.dropTable(name).ifExists().execute()
  await createSchema(trx, engine, schema)
  for await (const { table, rows: batch } of collect(rows)) {
    await trx
      .insertInto(table as TableName)
      .values(batch as never)
      .execute()
      .catch((cause) => {
        if (AuthsecError.is(cause, 'temporarily_unavailable')) throw cause
        throw new AuthsecError('state_unreadable', `rows do not fit into the table ${table}`, { cause })
      })
  }
  await upgradeSchema(trx, engine, schema)
  // They go on: what somebody has read under a number of the former state was not read under one of this.
  for (const { name, value } of counters) {
    await trx
      .updateTable('settings')
      .set({ value: `${Number(value) + 1}` })
      .where('name', '=', name)
      .execute()
  }
}

/** Rows of one table and with the same columns, which one statement can insert. */
async function* collect(
  rows: Parameters<Refill>[1],
): AsyncGenerator<{ table: string; rows: readonly StoredRow[] }> {
  let batch: StoredRow[] = []
  let shape = ''
  let current = ''
  for await (const { table, row } of rows) {
    const next = [table, ...Object.keys(row)].join(' ')
    if (batch.length > 0 && (next !== shape || batch.length === PAGE)) {
      yield { table: current, rows: batch }
      batch = []
    }
    shape = next
    current = table
    batch.push(row)
  }
  if (batch.length > 0) yield { table: current, rows: batch }
}
