import { type Kysely, sql } from 'kysely'
import { AuthsecError } from '../core/errors.js'
import { REVISION_SETTING } from './columns.js'
import type { Engine } from './engine.js'
import { MIGRATIONS } from './migrations.js'
import type { Schema } from './schema.js'

/** The version of the schema that this version of the program works with. */
export const SCHEMA_VERSION: number = MIGRATIONS.at(-1)?.version ?? 0

/**
 * Checks, without changing anything, that the store is empty or that this version understands it. Throws
 * `state_newer` when a later version of the program has written it, `state_unreadable` when the tables are
 * damaged or somebody else's, and `ifEmpty` for an empty store where that is given.
 */
export async function assertReadable(
  db: Kysely<Schema>,
  engine: Engine,
  name: string,
  ifEmpty?: AuthsecError,
): Promise<void> {
  const version = await readVersion(db, engine, name).catch((cause) => {
    throw explainUnreadable(engine, name, cause)
  })
  if (version === 0 && ifEmpty !== undefined) throw ifEmpty
}

/**
 * Brings the schema of a readable store up to date, in one transaction, and finds nothing left to do where another
 * process has done it meanwhile. Throws as `assertReadable` does.
 */
export async function migrate(db: Kysely<Schema>, engine: Engine, name: string): Promise<void> {
  const migrated = db.transaction().execute(async (trx) => {
    if ((await engine.listTables(trx)).length === 0) await createSchema(trx, engine, 0)
    await upgradeSchema(trx, engine, await readVersion(trx, engine, name))
  })
  await migrated.catch((cause) => {
    throw explainUnreadable(engine, name, cause)
  })
}

/** Makes the tables of one version of the schema in an empty store, within a transaction. */
export async function createSchema(trx: Kysely<Schema>, engine: Engine, version: number): Promise<void> {
  await run(trx, engine, ['create table settings (name text primary key, value text not null)'])
  await trx
    .insertInto('settings')
    .values([
      { name: 'schema_version', value: '0' },
      { name: REVISION_SETTING, value: '0' },
    ])
    .execute()
  await upgradeSchema(trx, engine, 0, version)
}

/** Takes the schema, and what is in it, from one version to a later one, within a transaction. */
export async function upgradeSchema(
  trx: Kysely<Schema>,
  engine: Engine,
  from: number,
  to: number = SCHEMA_VERSION,
): Promise<void> {
  if (from === to) return
  const steps = MIGRATIONS.filter(({ version }) => version > from && version <= to)
  for (const { statements } of steps) await run(trx, engine, statements)
  await trx
    .updateTable('settings')
    .set({ value: String(to) })
    .where('name', '=', 'schema_version')
    .execute()
}

async function run(trx: Kysely<Schema>, engine: Engine, statements: readonly string[]): Promise<void> {
  for (const statement of statements) await sql.raw(engine.adaptStatement(statement)).execute(trx)
}

/** 0 for an empty store. Throws `state_newer`, `state_unreadable`, and what the engine throws. */
async function readVersion(db: Kysely<Schema>, engine: Engine, name: string): Promise<number> {
  const tables = await engine.listTables(db)
  if (tables.length === 0) return 0
  if (!tables.includes('settings')) throw explainUnreadable(engine, name)
  const row = await db
    .selectFrom('settings')
    .select('value')
    .where('name', '=', 'schema_version')
    .executeTakeFirst()
  if (!/^\d{1,9}$/.test(row?.value ?? '')) throw explainUnreadable(engine, name)
  const version = Number(row?.value)
  if (version <= SCHEMA_VERSION) return version
  throw new AuthsecError(
    'state_newer',
    `${name} has schema ${version}, this version knows ${SCHEMA_VERSION}`,
    {
      hint: `Upgrade authsec, or ${engine.alternative}.`,
    },
  )
}

function explainUnreadable(engine: Engine, name: string, cause?: unknown): AuthsecError {
  if (AuthsecError.is(cause)) return cause
  return new AuthsecError('state_unreadable', `${name} is damaged or holds the tables of another program`, {
    hint: `Keep it for inspection and ${engine.alternative}.`,
    cause,
  })
}
