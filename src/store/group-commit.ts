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
 * One commit for many waiters: whatever is queued when a transaction starts shares its one flush to disk.
 * A group that fails is run again one by one, so that one bad row harms only its owner.
 */
export function createGroupCommit<C>(transact: RunInTransaction<C>, closed: () => Error): GroupCommit<C> {
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
      if (!accepting) return Promise.reject(closed())
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
  const answers: (() => void)[] = []
  try {
    await transact(async (context) => {
      for (const { work, resolve } of group) {
        const value = await work(context)
        answers.push(() => resolve(value))
      }
    })
  } catch (error) {
    const [only] = group
    if (group.length === 1) only?.reject(error)
    else for (const waiter of group) await commit(transact, [waiter])
    return
  }
  for (const answer of answers) answer()
}
