import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { readChallenge } from './challenge.js'
import type { DelegationToken } from './delegation-token.js'
import type { AuthsecEvent } from './events.js'
import { splitScope } from './grant.js'

/** How `fetch` calls an API. */
export interface DelegatedFetchOptions {
  /** What sends the requests; the client's own `fetch` by default. */
  fetch?: typeof fetch
  /**
   * Whether a request that the API refused with 401 is sent once more with a new token: `safe` (the default) where the
   * method or an `Idempotency-Key` makes that harmless, `always` for every method. A body that can be read only once is
   * never sent again.
   */
  replay?: 'safe' | 'always'
  /** Told which token a request goes with, before it is sent. */
  onToken?: (token: DelegationToken) => void
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

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

/**
 * A `fetch` that sends a token along, to the API's own origins and nowhere else: redirects are returned, not followed.
 * Throws `origin_rejected` before anything is sent, `token_rejected`, `step_up_required` and `scope_required` for what
 * the API says about the token, and what getting a token throws; all other answers are the caller's.
 */
export function createDelegatedFetch(parts: DelegatedFetchParts): typeof fetch {
  const { origins, send, replay, onToken, getToken, isNew, invalidate, emit } = parts

  return async (input, init = {}) => {
    const given = input instanceof Request ? input : undefined
    const { origin } = new URL(given?.url ?? String(input))
    assertOrigin(origin, origins)
    const headers = new Headers(init.headers ?? given?.headers)
    const signal = init.signal ?? given?.signal ?? undefined
    const method = (init.method ?? given?.method ?? 'GET').toUpperCase()
    const redirect = (init.redirect ?? given?.redirect) === 'error' ? 'error' : 'manual'

    const attempt = async (token: DelegationToken) => {
      onToken?.(token)
      headers.set('authorization', token.authorization())
      return send(input, { ...init, headers, redirect })
    }
    const first = await getToken(signal)
    const response = await attempt(first)
    if (!isRejected(response, first)) return response

    const isHopeless = isNew(first)
    reject(first)
    const isHarmless = replay === 'always' || SAFE_METHODS.has(method) || headers.has('idempotency-key')
    if (!isHarmless || !isRepeatable(init.body, given)) return response
    discard(response)
    if (isHopeless) throw rejected(origin, first)
    const second = await getToken(signal)
    if (second.jti === first.jti) throw rejected(origin, second)
    const answer = await attempt(second)
    if (!isRejected(answer, second)) return answer
    discard(answer)
    reject(second)
    throw rejected(origin, second)
  }

  function reject(token: DelegationToken): void {
    invalidate(token)
    emit({ type: 'token.rejected', jti: token.jti, auditId: token.auditId })
  }
}

// Whether the API will not have this token; throws what another token of the same kind would not mend.
function isRejected(response: Response, token: DelegationToken): boolean {
  const { status } = response
  if (status !== 401 && status !== 403) return false
  const challenge = readChallenge(response.headers)
  const error = challenge.get('error')
  if (status === 401 && error === 'insufficient_user_authentication') {
    discard(response)
    throw new AuthsecError(
      'step_up_required',
      'the API asks the user to sign in once more, or more strongly',
      {
        hint: 'Have the user sign in as details say, and pass the new token to rotate().',
        auditId: token.auditId,
        details: pick(challenge, ['acr_values', 'max_age', 'scope']),
      },
    )
  }
  if (status === 403 && error === 'insufficient_scope') {
    discard(response)
    const missing = splitScope(challenge.get('scope') ?? '').filter(
      (word) => !token.permissions.includes(word),
    )
    const named = missing.length > 0 ? `: ${missing.join(' ')} is missing` : ''
    throw new AuthsecError('scope_required', `the API wants more than the token permits${named}`, {
      hint: 'Name it in permissions where the tool needs it: nothing is ever added by itself.',
      auditId: token.auditId,
      details: { missing: missing.join(' '), ...pick(challenge, ['scope']) },
    })
  }
  return status === 401 && (error === undefined || error === 'invalid_token')
}

function assertOrigin(origin: string, origins: ReadonlySet<string>): void {
  if (origins.has(origin)) return
  throw new AuthsecError('origin_rejected', `the token is not for ${quote(origin)}`, {
    hint: `It is sent to ${[...origins].join(', ')} only; name more origins in the audiences option.`,
  })
}

// Streams and other one-way bodies are gone once they were sent, and so is the body of a Request.
function isRepeatable(body: unknown, given: Request | undefined): boolean {
  if (body === undefined || body === null) return given === undefined || given.body === null
  return (
    typeof body === 'string' ||
    body instanceof URLSearchParams ||
    body instanceof ArrayBuffer ||
    ArrayBuffer.isView(body) ||
    body instanceof Blob ||
    body instanceof FormData
  )
}

function discard(response: Response): void {
  response.body?.cancel().catch(() => undefined)
}

function pick(challenge: ReadonlyMap<string, string>, names: readonly string[]): Record<string, string> {
  return Object.fromEntries([...challenge].filter(([name]) => names.includes(name)))
}

function rejected(origin: string, { auditId }: DelegationToken): AuthsecError {
  return new AuthsecError('token_rejected', `${origin} does not accept the token`, {
    hint: 'Check that the API trusts this server and that its clock is right.',
    auditId,
  })
}
