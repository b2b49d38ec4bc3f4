/** A question about a client and a resource, whose answer tells under which revision it was read. */
type Find<T> = (clientId: string, resourceUri: string) => Promise<T | undefined>

const MAX_KEPT = 1_000

/** What was found, and a way to forget it. */
export interface Standings<T> {
  find: Find<T>
  forget(): void
}

/**
 * Keeps what was found for as long as the revision stands, so that a client that asks often costs one look at a
 * number instead of a question about up to seven tables. An answer is never older than its question: the revision is read
 * for each.
 */
export function keepStandings<T extends { revision: number }>(
  find: Find<T>,
  readRevision: () => Promise<number>,
): Standings<T> {
  const kept = new Map<string, T>()
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
