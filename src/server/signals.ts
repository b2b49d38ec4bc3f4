/**
 * A signal that aborts with any of the others, or after a time, until it is released. `AbortSignal.any` would
 * leave an entry for each request in the signal that lives as long as the server (Node 20).
 */
export function joinSignals(
  signals: readonly AbortSignal[],
  timeoutMs: number,
): { signal: AbortSignal; release: () => void } {
  const joined = new AbortController()
  const end = () => joined.abort()
  if (timeoutMs === 0 || signals.some(({ aborted }) => aborted)) end()
  const timer = setTimeout(end, timeoutMs)
  for (const signal of signals) signal.addEventListener('abort', end)
  return {
    signal: joined.signal,
    release() {
      clearTimeout(timer)
      for (const signal of signals) signal.removeEventListener('abort', end)
      end()
    },
  }
}
