import { type Kysely, sql } from 'kysely'
import { AuthsecError } from '../core/errors.js'
import { MIGRATIONS } from './migrations.js'
import type { Schema } from './schema.js'

const LATEST = MIGRATIONS.at(-1)?.version ?? 0

/**
 * Brings the schema up to date in one transaction. Throws `state_newer` when a later version of the program has
 * written it, `state_unreadable` when the tables are somebody else's; neither changes anything.
 */
export async function migrate(db: Kysely<Schema>, name: string): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const tables = await trx.introspection.getTables()
    if (tables.length === 0) {
      await sql`create table settings (name text primary key, value text not null)`.execute(trx)
      await trx
        .insertInto('settings')
        .values([
          { name: 'schema_version', value: '0' },
          { name: 'authority_revision', value: '0' },
        ])
        .execute()
    } else if (!tables.some((table) => table.name === 'settings')) {
      throw new AuthsecError('state_unreadable', `${name} holds the tables of another program`, {
        hint: 'Start with another --state directory.',
      })
    }
    await runPending(trx, await readVersion(trx, name))
  })
}

async function readVersion(trx: Kysely<Schema>, name: string): Promise<number> {
  const row = await trx
    .selectFrom('settings')
    .select('value')
    .where('name', '=', 'schema_version')
    .executeTakeFirst()
  const version = Number(row?.value)
  if (!Number.isInteger(version) || version < 0) {
    throw new AuthsecError('state_unreadable', `${name} does not say which version wrote it`)
  }
  if (version > LATEST) {
    throw new AuthsecError('state_newer', `${name} has schema ${version}, this version knows ${LATEST}`, {
      hint: 'Upgrade authsec, or start with another --state directory.',
    })
  }
  return version
}

async function runPending(trx: Kysely<Schema>, version: number): Promise<void> {
  const pending = MIGRATIONS.filter((migration) => migration.version > version)
  if (pending.length === 0) return
  for (const { statements } of pending) {
    for (const statement of statements) await sql.raw(statement).execute(trx)
  }
  await trx
    .updateTable('settings')
    .set({ value: String(LATEST) })
    .where('name', '=', 'schema_version')
    .execute()
}
