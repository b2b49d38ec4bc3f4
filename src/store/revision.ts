import { type Kysely, sql } from 'kysely'
import { REVISION_SETTING } from './columns.js'
import type { Schema } from './schema.js'
import { createSettings } from './settings.js'
import { shareNext, shareTurn } from './share-next.js'

/** The number that counts the changes of authority. */
export interface Revision {
  /** Outside of a transaction: as it was committed last. */
  read(): Promise<number>
  /** Inside a transaction, which sees its own changes; `begun` is what it began with, where that is known. */
  within(transaction: Kysely<Schema>, begun?: number): RevisionChanges
  /** After which it is read again. */
  forget(): void
}

export interface RevisionChanges {
  read(): Promise<number>
  /** Counts one more change. */
  touch(): Promise<void>
}

/**
 * Reads and counts. Where nobody but this process can change it (`isAlone`) it is remembered as long as nothing does;
 * elsewhere it is read for each question, of which all that come in one turn or while one reading is under way share the
 * next.
 */
export function createRevision(db: Kysely<Schema>, { isAlone }: { isAlone: boolean }): Revision {
  const readShared = shareTurn(shareNext(() => readRevision(db)))
  let known: number | undefined
  let forgotten = 0

  async function readKnown(): Promise<number> {
    if (known !== undefined) return known
    const before = forgotten
    const found = await readRevision(db)
    if (forgotten === before) known = found
    return found
  }

  function forget(): void {
    known = undefined
    forgotten++
  }

  return {
    read: isAlone ? readKnown : readShared,
    within(transaction, begun) {
      let own = begun
      return {
        async read() {
          own ??= await readRevision(transaction)
          return own
        },
        async touch() {
          own = undefined
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
