import { readUuid } from '../core/uuid.js'

/** What is kept under a UUID, in whatever case it was written; undefined for what is none. */
export async function findById<T>(
  queries: { find(id: string): Promise<T | undefined> },
  id: string,
): Promise<T | undefined> {
  const uuid = readUuid(id)
  return uuid === undefined ? undefined : queries.find(uuid)
}
