import type { Store } from '../store/store.js'

/** Forgets which tokens and assertions have been used or revoked, once no server can take them for alive any more. */
export interface Forgetting {
  upkeep(): Promise<undefined>
}

/**
 * `skewSeconds` is by how much the clock of another server may be behind, or this one be set back, with tokens being
 * issued all the same: what has expired here may be alive there, and has to be known there as used.
 */
export function createForgetting(options: {
  store: Store
  /** Milliseconds since the epoch. */
  clock: () => number
  skewSeconds: number
}): Forgetting {
  const { store, clock, skewSeconds } = options
  return {
    async upkeep() {
      const before = clock() - skewSeconds * 1000
      await store.write(async ({ assertions, uses, revocations }) => {
        for (const memory of [assertions, uses, revocations]) await memory.sweep(before)
      })
      return undefined
    },
  }
}
