import { AuthsecError } from '../core/errors.js'

interface Waiter<C> {
  work: (context: C) => Promise<unknown>
  resolve: (value: unknown) => void
  reject: (error: unknown) => void
}

/** Runs works one after another inside one transaction; the promise settles once it is durable or undone. */
export type RunInTransaction<C> = (works: (context: C) => Promise<void>) => Promise<void>

export interface GroupCommit<C> {
  /** Queues work for the next transaction; resolves with its value after that transaction is durable. */
  write<T>(work: (context: C) => Promise<T>): Promise<T>
  /** Resolves when nothing waits any more; later writes reject. */
  drain(): Promise<void>
}

// A group stays small enough that one statement can insert all its records.
const MAX_GROUP = 256

/**
 * One commit for many waiters: whatever is queued when a transaction starts shares its one flush to disk, and is
 * committed in the order in which it was queued. What throws harms only its owner: those before it are committed,
 * it is tried once more by itself, and those after it go on together.
 */
export function createGroupCommit<C>(transact: RunInTransaction<C>): GroupCommit<C> {
  let queue: Waiter<C>[] = []
  let running: Promise<void> | undefined
  let accepting = true

  async function run(): Promise<void> {
    // After the poll phase every request that has arrived meanwhile has queued its work too.
    await new Promise((resolve) => setImmediate(resolve))
    while (queue.length > 0) {
      const group = queue.slice(0, MAX_GROUP)
      queue = queue.slice(MAX_GROUP)
      await commit(transact, group)
    }
    running = undefined
  }

  return {
    write<T>(work: (context: C) => Promise<T>): Promise<T> {
      if (!accepting)
        return Promise.reject(new AuthsecError('temporarily_unavailable', 'the store is closed'))
      return new Promise<T>((resolve, reject) => {
        queue.push({ work, resolve: resolve as (value: unknown) => void, reject })
        running ??= run()
      })
    },
    async drain() {
      accepting = false
      await running
    },
  }
}

async function commit<C>(transact: RunInTransaction<C>, group: readonly Waiter<C>[]): Promise<void> {
  const values: unknown[] = []
  try {
    await transact(async (context) => {
      for (const { work } of group) values.push(await work(context))
    })
  } catch (error) {
    // Where nobody knows whether the commit took place, nothing is tried again: it might be done twice.
    const isEnd = values.length === group.length && AuthsecError.is(error, 'temporarily_unavailable')
    if (group.length > 1 && !isEnd) return commitApart(transact, group, values.length)
    for (const { reject } of group) reject(error)
    return
  }
  group.forEach(({ resolve }, index) => {
    resolve(values[index])
  })
}

// Around the one that threw; where all went well until the end, by halves until it is found.
async function commitApart<C>(
  transact: RunInTransaction<C>,
  group: readonly Waiter<C>[],
  done: number,
): Promise<void> {
  const [start, end] = done < group.length ? [done, done + 1] : [group.length >> 1, group.length >> 1]
  for (const part of [group.slice(0, start), group.slice(start, end), group.slice(end)]) {
    if (part.length > 0) await commit(transact, part)
  }
}
