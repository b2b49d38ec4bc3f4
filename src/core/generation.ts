/** The generations of AuthSec's contract, oldest first. */
export const GENERATIONS = ['A', 'P', 'B'] as const

/** Which contract a server speaks: the tenant era, the same with the newer OAuth paths, or the workspace era. */
export type Generation = (typeof GENERATIONS)[number]
