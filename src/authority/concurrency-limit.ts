/** The same work, of which no more than `limit` is under way at once; the rest waits in the order of the calls. */
export function limitConcurrency<A extends unknown[], T>(
  limit: number,
  work: (...input: A) => Promise<T>,
): (...input: A) => Promise<T> {
  const waiting: (() => void)[] = []
  let underWay = 0

  return async (...input) => {
    if (underWay < limit) underWay++
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return await work(...input)
    } finally {
      // Whoever has waited the longest takes this place; it is free only when nobody has.
      const next = waiting.shift()
      if (next === undefined) underWay--
      else next()
    }
  }
}
