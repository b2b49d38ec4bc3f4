// Work in this process, over and over, in turns: a round of each before the next round of any.

const ROUNDS = 9
const ROUND_MS = 200
const AT_ONCE = 20

/** Returns for each work what its rounds gave: how often it was done in a millisecond. */
export async function repeatInTurn(works) {
  for (const work of works) await repeat(work, ROUND_MS)
  const series = works.map(() => [])
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, work] of works.entries()) series[index].push(await repeat(work, ROUND_MS))
  }
  return series
}

async function repeat(work, durationMs) {
  const start = performance.now()
  let done = 0
  let elapsed = 0
  while (elapsed < durationMs) {
    for (let count = 0; count < AT_ONCE; count++) {
      const result = work()
      // Who answers at once is not made to wait for the next microtask.
      if (typeof result?.then === 'function') await result
    }
    done += AT_ONCE
    elapsed = performance.now() - start
  }
  return done / elapsed
}
