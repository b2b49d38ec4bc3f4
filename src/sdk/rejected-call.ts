import { AuthsecError } from '../core/errors.js'
import { readChallenge } from './challenge.js'
import type { DelegatedFetchParts } from './delegated-fetch.js'
import type { DelegationToken } from './delegation-token.js'
import { splitScope } from './grant.js'

/** A call of an API, and how to make it with another token. */
export interface RejectedCall {
  readonly origin: string
  readonly method: string
  readonly headers: Headers
  readonly body: unknown
  /** The request that the caller made of it, where there is one. */
  readonly given: Request | undefined
  readonly signal: AbortSignal | undefined
  attempt(token: DelegationToken): Promise<Response>
}

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

/**
 * What becomes of a call that an API answered with 401 or 403: it is made once more with a new token where that may
 * help and does no harm, and the answer is the caller's where it says nothing about the token. Rejects with
 * `token_rejected`, `step_up_required` and `scope_required`, and what getting a token rejects with.
 */
export async function answerRejection(
  { replay, getToken, isNew, invalidate, emit }: DelegatedFetchParts,
  { origin, method, headers, body, given, signal, attempt }: RejectedCall,
  first: DelegationToken,
  response: Response,
): Promise<Response> {
  if (!isRejected(response, first)) return response

  const reject = (token: DelegationToken) => {
    invalidate(token)
    emit({ type: 'token.rejected', jti: token.jti, auditId: token.auditId })
  }
  const isHopeless = isNew(first)
  reject(first)
  const isHarmless = replay === 'always' || SAFE_METHODS.has(method) || headers.has('idempotency-key')
  if (!isHarmless || !isRepeatable(body, given)) return response
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
