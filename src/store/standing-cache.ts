import type { DelegationQueries } from './store.js'

type FindStanding = DelegationQueries['findStanding']

const MAX_KEPT = 1_000

/**
 * Keeps what was found for as long as the revision stands, so that an agent that asks often costs one read of a
 * number instead of a question about seven tables. An answer is never older than its question: the revision is
 * read for each, though questions that wait at the same time share one reading.
 */
export function keepStandings(find: FindStanding, readRevision: () => Promise<number>): FindStanding {
  const kept = new Map<string, NonNullable<Awaited<ReturnType<FindStanding>>>>()
  let keptRevision: number | undefined
  let reading: Promise<number> | undefined

  function shareReading(): Promise<number> {
    reading ??= readRevision().finally(() => {
      reading = undefined
    })
    return reading
  }

  function keepOnly(revision: number): void {
    if (revision === keptRevision && kept.size < MAX_KEPT) return
    kept.clear()
    keptRevision = revision
  }

  return async (clientId, resourceUri) => {
    keepOnly(await shareReading())
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
  }
}
