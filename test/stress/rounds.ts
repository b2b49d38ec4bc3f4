/** How many rounds a stress test runs: a few in `npm test`, and N times `each` in `npm run test:stress -- --rounds N`. */
export function countRounds(few: number, each = 1): number {
  const asked = process.env['AUTHSEC_STRESS_ROUNDS']
  return asked === undefined ? few : Number(asked) * each
}

/** The seed of a run: a new one each time, or AUTHSEC_STRESS_SEED to see the same run again. */
export function chooseSeed(): number {
  return Number(process.env['AUTHSEC_STRESS_SEED'] ?? Math.floor(Math.random() * 2 ** 32))
}

/** Numbers in [0, 1) that follow from the seed alone (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
