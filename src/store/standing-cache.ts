import type { DelegationQueries } from './store.js'

type FindStanding = DelegationQueries['findStanding']

const MAX_KEPT = 1_000

/** What was found, and a way to forget it. */
export interface Standings {
  find: FindStanding
  forget(): void
}

/**
 * Keeps what was found for as long as the revision stands, so that an agent that asks often costs one look at a
 * number instead of a question about seven tables. An answer is never older than its question: the revision is read
 * for each.
 */
export function keepStandings(find: FindStanding, readRevision: () => Promise<number>): Standings {
  const kept = new Map<string, NonNullable<Awaited<ReturnType<FindStanding>>>>()
  let keptRevision: number | undefined

  function keepOnly(revision: number): void {
    if (revision === keptRevision && kept.size < MAX_KEPT) return
    kept.clear()
    keptRevision = revision
  }

  return {
    async find(clientId, resourceUri) {
      keepOnly(await readRevision())
      const key = `${clientId} ${resourceUri}`
      const known = kept.get(key)
      if (known !== undefined) return known

      const standing = await find(clientId, resourceUri)
      if (standing !== undefined) {
        // Something may have changed since the revision was read: the answer tells its own.
        keepOnly(standing.revision)
        kept.set(key, standing)
      }
      return standing
    },
    forget() {
      kept.clear()
      keptRevision = undefined
    },
  }
}
