/**
 * One flush for all who want it at the same time. Whoever asks while one is under way waits for the next, because
 * only a flush that begins later is sure to cover what was written before. A failure is that of everybody who waits,
 * behind it too: what they wrote lies after what may be lost.
 */
export function shareFlush(flush: () => Promise<void>): () => Promise<void> {
  let underWay: Promise<void> | undefined
  let next: Promise<void> | undefined

  function start(): Promise<void> {
    underWay = flush().finally(() => {
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
