import { nextTurn } from '../core/next-turn.js'

/**
 * One run of some work for all who want it at the same time. Whoever asks while one is under way waits for the next,
 * because only a run that begins later is sure to see, or to cover, what was done before. A failure is that of
 * everybody who waits, behind it too.
 */
export function shareNext<T>(work: () => Promise<T>): () => Promise<T> {
  let underWay: Promise<T> | undefined
  let next: Promise<T> | undefined

  function start(): Promise<T> {
    underWay = work().finally(() => {
      underWay = undefined
    })
    return underWay
  }

  return () => {
    if (next !== undefined) return next
    if (underWay === undefined) return start()
    next = underWay
      .finally(() => {
        next = undefined
      })
      .then(start)
    return next
  }
}

/**
 * One run of some work for all who want it in the same turn of the event loop: it begins at the end of the turn, and so
 * after each of them has asked.
 */
export function shareTurn<T>(work: () => Promise<T>): () => Promise<T> {
  let next: Promise<T> | undefined

  async function start(): Promise<T> {
    await nextTurn()
    next = undefined
    return work()
  }

  return () => {
    next ??= start()
    return next
  }
}
