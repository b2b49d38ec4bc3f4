import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { DelegationToken } from './delegation-token.js'
import type { AuthsecEvent } from './events.js'

/** How `fetch` calls an API. */
export interface DelegatedFetchOptions {
  /** What sends the requests; the client's own `fetch` by default. */
  fetch?: typeof fetch | undefined
  /**
   * Whether a request that the API refused with 401 is sent once more with a new token: `safe` (the default) where the
   * method or an `Idempotency-Key` makes that harmless, `always` for every method. A body that can be read only once is
   * never sent again.
   */
  replay?: 'safe' | 'always' | undefined
  /** Told which token a request goes with, before it is sent. */
  onToken?: ((token: DelegationToken) => void) | undefined
}

/** What the fetch needs of the client. */
export interface DelegatedFetchParts {
  /** Where the token may be sent. */
  readonly origins: ReadonlySet<string>
  readonly send: typeof fetch
  readonly replay: 'safe' | 'always'
  readonly onToken: ((token: DelegationToken) => void) | undefined
  getToken(signal: AbortSignal | undefined): Promise<DelegationToken>
  /** Whether a token is so new that another one would be no better. */
  isNew(token: DelegationToken): boolean
  invalidate(token: DelegationToken): void
  emit(event: AuthsecEvent): void
}

/**
 * A `fetch` that sends a token along, to the API's own origins and nowhere else: redirects are returned, not followed.
 * Throws `origin_rejected` before anything is sent, `token_rejected`, `step_up_required` and `scope_required` for what
 * the API says about the token, and what getting a token throws; all other answers are the caller's.
 */
export function createDelegatedFetch(parts: DelegatedFetchParts): typeof fetch {
  const { origins, send, onToken, getToken } = parts

  return async (input, init = {}) => {
    const given = input instanceof Request ? input : undefined
    // Read once: the address that is checked is the one that is sent to, whatever becomes of the caller's meanwhile.
    const { origin, href } = new URL(given?.url ?? String(input))
    assertOrigin(origin, origins)
    const sent = { ...init }
    const headers = new Headers(init.headers ?? given?.headers)
    const signal = init.signal ?? given?.signal ?? undefined
    const redirect = (init.redirect ?? given?.redirect) === 'error' ? 'error' : 'manual'

    const attempt = async (token: DelegationToken) => {
      onToken?.(token)
      headers.set('authorization', token.authorization())
      return send(given ?? href, { ...sent, headers, redirect })
    }
    const token = await getToken(signal)
    const response = await attempt(token)
    if (response.status !== 401 && response.status !== 403) return response
    const { answerRejection } = await import('./on-demand.js')
    const method = (sent.method ?? given?.method ?? 'GET').toUpperCase()
    const call = { origin, method, headers, body: sent.body, given, signal, attempt }
    return answerRejection(parts, call, token, response)
  }
}

function assertOrigin(origin: string, origins: ReadonlySet<string>): void {
  if (origins.has(origin)) return
  throw new AuthsecError('origin_rejected', `the token is not for ${quote(origin)}`, {
    hint: `It is sent to ${[...origins].join(', ')} only; name more origins in the audiences option.`,
  })
}
