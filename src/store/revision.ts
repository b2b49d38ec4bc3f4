import { type Kysely, sql } from 'kysely'
import { REVISION_SETTING } from './columns.js'
import type { Schema } from './schema.js'
import { createSettings } from './settings.js'

/**
 * The number that counts the changes of authority, remembered as long as nothing changes it. It may be remembered
 * because the engine lets nobody but this process change the file.
 */
export interface Revision {
  /** Outside of a transaction: as it was committed last. */
  read(): Promise<number>
  /** Inside a transaction, which sees its own changes. */
  within(transaction: Kysely<Schema>): RevisionChanges
  /** After which it is read again. */
  forget(): void
}

export interface RevisionChanges {
  read(): Promise<number>
  /** Counts one more change. */
  touch(): Promise<void>
}

export function createRevision(db: Kysely<Schema>): Revision {
  let known: number | undefined
  let forgotten = 0

  async function read(queries: Kysely<Schema>): Promise<number> {
    if (known !== undefined) return known
    const before = forgotten
    const found = await readRevision(queries)
    if (forgotten === before) known = found
    return found
  }

  function forget(): void {
    known = undefined
    forgotten++
  }

  return {
    read: () => read(db),
    within(transaction) {
      let isTouched = false
      return {
        read: () => (isTouched ? readRevision(transaction) : read(transaction)),
        async touch() {
          isTouched = true
          // Whoever asks from now on waits for the end of this transaction, and reads what it leaves behind.
          forget()
          await transaction
            .updateTable('settings')
            .set({ value: sql`cast(cast(value as integer) + 1 as text)` })
            .where('name', '=', REVISION_SETTING)
            .execute()
        },
      }
    },
    forget,
  }
}

async function readRevision(db: Kysely<Schema>): Promise<number> {
  return Number(await createSettings(db).find(REVISION_SETTING))
}
