import type { DelegationToken } from '../sdk/index.js'

/**
 * A `fetch` that asks for a token with every request and sends it as the `Authorization` header, in place of any
 * other. A request ends with its own signal or the run's, whichever fires first.
 */
export function createDelegatedFetch(
  send: typeof fetch,
  requestToken: () => Promise<DelegationToken>,
  signal: AbortSignal | undefined,
): typeof fetch {
  return async (input, init = {}) => {
    const given = input instanceof Request ? input : undefined
    const headers = new Headers(init.headers ?? given?.headers)
    const token = await requestToken()
    headers.set('authorization', token.authorization())
    const signals = [init.signal ?? given?.signal, signal].filter((one) => one !== undefined && one !== null)
    return send(input, { ...init, headers, ...(signals.length > 0 && { signal: AbortSignal.any(signals) }) })
  }
}
