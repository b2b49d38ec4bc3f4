const kept = new WeakMap<AbortSignal, readonly AbortSignal[]>()

/**
 * A signal that aborts with any of the others, as `AbortSignal.any` does, and keeps them for as long as somebody waits for
 * it: on Node 20 a timeout that nothing else holds is collected, and then it never comes.
 */
export function anySignal(signals: readonly AbortSignal[]): AbortSignal {
  const joined = AbortSignal.any([...signals])
  kept.set(joined, signals)
  return joined
}
