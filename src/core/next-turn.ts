// Taken before a test can fake it: what runs under authsec/testing would wait for a turn that never comes.
const { setImmediate } = globalThis

/** Resolves in the next turn of the event loop, after what has arrived meanwhile. Needs Node. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
