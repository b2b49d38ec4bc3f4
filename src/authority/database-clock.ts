import { AuthsecError } from '../core/errors.js'
import type { Queries } from '../store/store.js'
import { tellSpan } from './clock-watch.js'

/** What is less is how two computers differ that are set right, and how long it takes to ask. */
const TOLERANCE_MS = 500

/**
 * How many milliseconds the clock of this machine lacks of the database's, by which all servers of a store go; negative
 * where it is ahead, and 0 where that is next to nothing: time must not go back between two questions. Throws
 * `configuration` where it is further off than the skew: a key would sign, or be gone, before verifiers know.
 */
export async function findLag(
  { replicas }: Pick<Queries, 'replicas'>,
  readWall: () => number,
  skewSeconds: number,
): Promise<number> {
  const before = readWall()
  const time = await replicas.readTime()
  const after = readWall()
  const lag = Math.max(time - after, 0) + Math.min(time - before, 0)
  if (Math.abs(lag) <= TOLERANCE_MS) return 0
  if (Math.abs(lag) <= skewSeconds * 1000 + TOLERANCE_MS) return lag
  const where = lag > 0 ? 'behind' : 'ahead of'
  throw new AuthsecError(
    'configuration',
    `the clock of this machine is ${tellSpan(Math.abs(lag))} ${where} the database's`,
    { hint: 'Set both right: this server signs nothing until they agree.' },
  )
}
