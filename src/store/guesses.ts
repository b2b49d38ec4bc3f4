import type { Kysely } from 'kysely'
import type { Schema } from './schema.js'

/** How often somebody has missed, and until when that counts. */
export interface Misses {
  count: number
  until: number
}

/** Who has guessed wrongly, whichever server was asked. */
export interface GuessQueries {
  find(guesser: string, now: number): Promise<Misses | undefined>
}
export interface GuessChanges extends GuessQueries {
  /** Counts a miss, which is remembered until a moment if it is the first; forgets those that count no more. */
  miss(guesser: string, until: number, now: number): Promise<void>
  /** Puts misses in the place of those before; forgets those of everybody that count no more. */
  replace(guesser: string, misses: Misses, now: number): Promise<void>
}

export function createGuesses(db: Kysely<Schema>): GuessChanges {
  const sweep = (now: number) => db.deleteFrom('guesses').where('until', '<=', now).execute()
  return {
    find: (guesser, now) =>
      db
        .selectFrom('guesses')
        .select(['count', 'until'])
        .where('guesser', '=', guesser)
        .where('until', '>', now)
        .executeTakeFirst(),
    async miss(guesser, until, now) {
      await sweep(now)
      await db
        .insertInto('guesses')
        .values({ guesser, count: 1, until })
        .onConflict((conflict) =>
          conflict.column('guesser').doUpdateSet((eb) => ({ count: eb('guesses.count', '+', 1) })),
        )
        .execute()
    },
    async replace(guesser, misses, now) {
      await sweep(now)
      await db
        .insertInto('guesses')
        .values({ guesser, ...misses })
        .onConflict((conflict) => conflict.column('guesser').doUpdateSet(misses))
        .execute()
    },
  }
}
