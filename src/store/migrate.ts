import { type Kysely, sql } from 'kysely'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { MIGRATIONS } from './migrations.js'
import type { Schema } from './schema.js'

const LATEST = MIGRATIONS.at(-1)?.version ?? 0

/**
 * Checks, without changing anything, that the store is empty or that this version understands it. Throws
 * `state_newer` when a later version of the program has written it, `state_unreadable` when the tables are
 * damaged or somebody else's.
 */
export async function assertReadable(db: Kysely<Schema>, name: string): Promise<void> {
  const version = await readVersion(db).catch((cause) => {
    throw explainUnreadable(name, cause)
  })
  if (Number.isNaN(version)) throw explainUnreadable(name)
  if (version > LATEST) {
    throw new AuthsecError(
      'state_newer',
      `${quote(name, 200)} has schema ${version}, this version knows ${LATEST}`,
      {
        hint: 'Upgrade authsec, or start with another --state directory.',
      },
    )
  }
}

/** Brings the schema of a readable store up to date, in one transaction. Throws `state_unreadable`. */
export async function migrate(db: Kysely<Schema>, name: string): Promise<void> {
  const migrated = db.transaction().execute(async (trx) => {
    if ((await trx.introspection.getTables()).length === 0) {
      await sql`create table settings (name text primary key, value text not null)`.execute(trx)
      await trx
        .insertInto('settings')
        .values([
          { name: 'schema_version', value: '0' },
          { name: 'authority_revision', value: '0' },
        ])
        .execute()
    }
    await runPending(trx, await readVersion(trx))
  })
  await migrated.catch((cause) => {
    throw explainUnreadable(name, cause)
  })
}

/** 0 for an empty store, NaN for one that does not say; rejects where there is no such table. */
async function readVersion(db: Kysely<Schema>): Promise<number> {
  if ((await db.introspection.getTables()).length === 0) return 0
  const row = await db
    .selectFrom('settings')
    .select('value')
    .where('name', '=', 'schema_version')
    .executeTakeFirst()
  return /^\d{1,9}$/.test(row?.value ?? '') ? Number(row?.value) : Number.NaN
}

function explainUnreadable(name: string, cause?: unknown): AuthsecError {
  if (AuthsecError.is(cause)) return cause
  return new AuthsecError(
    'state_unreadable',
    `${quote(name, 200)} is damaged or holds the tables of another program`,
    {
      hint: 'Keep the file for inspection and start with another --state directory.',
      cause,
    },
  )
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
