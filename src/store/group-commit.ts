import { AuthsecError } from '../core/errors.js'
import { nextTurn } from '../core/next-turn.js'

interface Waiter<C> {
  work: (context: C) => Promise<unknown>
  resolve: (value: unknown) => void
  reject: (error: unknown) => void
}

/** Runs works one after another inside one transaction; the promise settles once it is durable or undone. */
export type RunInTransaction<C> = (works: (context: C) => Promise<void>) => Promise<void>

/** What a group commit needs of an engine. */
export interface CommitEngine<C> {
  transact: RunInTransaction<C>
  /** Resolves once everything that was committed before the call is on the disk. */
  flush(): Promise<void>
  /** Makes good a flush that failed; throws while that is not possible. */
  recover(): void
}

export interface GroupCommit<C> {
  /** Queues work for the next transaction; resolves with its value after that transaction is durable. */
  write<T>(work: (context: C) => Promise<T>): Promise<T>
  /** Resolves once everything that has been committed so far is durable; rejects where that has failed. */
  settled(): Promise<void>
  /** Resolves when nothing waits any more; later writes reject. */
  drain(): Promise<void>
}

// A group stays small enough that one statement can insert all its records.
const MAX_GROUP = 256
const MAX_TURNS = 8

/**
 * One commit for many waiters: whatever is queued once a transaction has begun is committed by it, in the order in which
 * it was queued, and answered after a flush to disk. The next group is committed while that flush is under way. What
 * throws harms only its owner: those before it are committed, it is tried once more by itself, and those after it go
 * on together.
 */
export function createGroupCommit<C>(engine: CommitEngine<C>): GroupCommit<C> {
  let queue: Waiter<C>[] = []
  let running: Promise<void> | undefined
  let flushed = Promise.resolve()
  let accepting = true

  async function run(): Promise<void> {
    await gather()
    while (queue.length > 0) {
      try {
        engine.recover()
      } catch (error) {
        reject(takeNext(), error)
        continue
      }
      await commit(takeNext)
    }
    running = undefined
  }

  function takeNext(): readonly Waiter<C>[] {
    const group = queue.slice(0, MAX_GROUP)
    queue = queue.slice(MAX_GROUP)
    return group
  }

  // After each poll phase every request that has arrived meanwhile has queued its work too. As long as more come a
  // commit is put off, but not for long: it takes nearly as long for one as for all of them.
  async function gather(): Promise<void> {
    for (let turn = 0, before = 0; turn < MAX_TURNS && (turn === 0 || queue.length > before); turn++) {
      before = queue.length
      await nextTurn()
    }
  }

  // Who comes while a transaction waits for its turn, as it does where several processes share a store, is taken along.
  async function commit(take: () => readonly Waiter<C>[]): Promise<void> {
    const values: unknown[] = []
    let group: readonly Waiter<C>[] = []
    try {
      await engine.transact(async (context) => {
        group = take()
        for (const { work } of group) values.push(await work(context))
      })
    } catch (error) {
      // Where no transaction comes about, it is none of the works that is to blame.
      if (group.length === 0) return reject(take(), error)
      // Where nobody knows whether the commit took place, nothing is tried again: it might be done twice.
      const isEnd = values.length === group.length && AuthsecError.is(error, 'temporarily_unavailable')
      if (group.length > 1 && !isEnd) return commitApart(group, values.length)
      return reject(group, error)
    }
    flushed = engine.flush()
    flushed.then(
      () => resolve(group, values),
      (error) => reject(group, error),
    )
  }

  // Around the one that threw; where all went well until the end, by halves until it is found.
  async function commitApart(group: readonly Waiter<C>[], done: number): Promise<void> {
    const [start, end] = done < group.length ? [done, done + 1] : [group.length >> 1, group.length >> 1]
    for (const part of [group.slice(0, start), group.slice(start, end), group.slice(end)]) {
      if (part.length > 0) await commit(() => part)
    }
  }

  return {
    write<T>(work: (context: C) => Promise<T>): Promise<T> {
      if (!accepting) {
        // By whoever runs the server: no failure of the store.
        return Promise.reject(new AuthsecError('temporarily_unavailable', 'the store is closed'))
      }
      return new Promise<T>((resolve, reject) => {
        queue.push({ work, resolve: resolve as (value: unknown) => void, reject })
        running ??= run()
      })
    },
    settled: () => flushed,
    async drain() {
      accepting = false
      await running
      await flushed.catch(() => {})
    },
  }
}

function resolve(group: readonly Waiter<never>[], values: readonly unknown[]): void {
  group.forEach((waiter, index) => {
    waiter.resolve(values[index])
  })
}

function reject(group: readonly Waiter<never>[], error: unknown): void {
  for (const waiter of group) waiter.reject(error)
}
