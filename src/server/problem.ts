import { AuthsecError, type ErrorCode } from '../core/errors.js'
import { isStoreFailure } from '../store/unavailable.js'
import type { Endpoint } from './endpoint.js'
import { toErrorDescription } from './error-description.js'
import { renderProblem } from './login/problem-page.js'

/** The status of each code that a server answers with; what is not here is 400. */
const STATUSES: Partial<Record<ErrorCode, number>> = {
  login_required: 401,
  invalid_credentials: 401,
  account_locked: 401,
  invalid_client: 401,
  invalid_token: 401,
  access_denied: 403,
  delegation_not_allowed: 403,
  nothing_to_delegate: 403,
  policy_bound_elsewhere: 403,
  foreign_origin: 403,
  tenant_mismatch: 403,
  client_not_found: 404,
  no_delegation: 404,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  replayed: 409,
  delegation_expired: 410,
  content_too_large: 413,
  unsupported_media_type: 415,
  misdirected_request: 421,
  rate_limited: 429,
  internal: 500,
  state_unreadable: 500,
  state_rolled_back: 500,
  temporarily_unavailable: 503,
}

const SPIRE_CODES: Readonly<Record<number, string>> = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  409: 'CONFLICT',
  429: 'TOO_MANY_REQUESTS',
}

/** The status that a code is answered with where an endpoint has no words of its own for it. */
export function statusOf(code: string): number {
  return STATUSES[code as ErrorCode] ?? 400
}

/** Whether whoever runs the server has to hear of it: a bug, a disk that fails, a state that cannot be read any more. */
export function isFault(error: unknown): boolean {
  return !AuthsecError.is(error) || error.code === 'state_unreadable' || isStoreFailure(error)
}

/** The one place where a failure becomes a response, in the form that its endpoint's callers expect. */
export function toResponse(
  thrown: unknown,
  endpoint: Pick<Endpoint, 'errors' | 'refusals'>,
  { request, requestId }: { request: Request; requestId: string },
): Response {
  const error = toAuthsecError(thrown)
  const [status, text, details] = endpoint.refusals?.[error.code] ?? [statusOf(error.code), error.message]
  const { errors } = endpoint
  const headers = createHeaders(error)
  const challenge = findChallenge(error, endpoint, request)
  if (challenge !== undefined) headers.set('www-authenticate', challenge)
  if (errors !== 'page') {
    return Response.json(createProblem(error, errors, { status, text, details, requestId }), {
      status,
      headers,
    })
  }
  const page = renderProblem(text, { hint: error.hint, status, requestId })
  for (const [name, value] of headers) page.headers.set(name, value)
  return page
}

/** What a refusal says in JSON. */
export function createProblem(
  error: AuthsecError,
  errors: Exclude<Endpoint['errors'], 'page'>,
  {
    status,
    text,
    details,
    requestId,
  }: { status: number; text: string; details?: 'hint' | undefined; requestId: string },
): object {
  switch (errors) {
    case 'oauth':
      return {
        error: OAUTH_NAMES[error.code] ?? error.code,
        error_description: describe(error),
        ...(error.auditId && { authsec_audit: error.auditId }),
        request_id: requestId,
      }
    case 'polling':
      if (error.code === 'invalid_request') return { error: 'Invalid request body', details: error.message }
      return {
        error: text === error.message ? (OAUTH_NAMES[error.code] ?? error.code) : text,
        error_description: describe(error),
      }
    case 'spire':
      return {
        error: {
          code: SPIRE_CODES[status] ?? (status < 500 ? 'BAD_REQUEST' : 'INTERNAL_ERROR'),
          message: text,
        },
      }
    case 'authsec':
      if (error.code === 'access_denied') {
        return { error: 'insufficient_scope', error_description: error.message }
      }
      return {
        error: text,
        ...createDetails(error, text, details),
        ...error.details,
        // Another try may mend any other 500, and never this.
        ...(error.code === 'state_unreadable' && { code: error.code }),
      }
  }
}

/** Codes whose OAuth name is another one. */
const OAUTH_NAMES: Partial<Record<ErrorCode, string>> = {
  internal: 'server_error',
  login_required: 'invalid_token',
  misdirected_request: 'invalid_request',
  foreign_origin: 'invalid_request',
  method_not_allowed: 'invalid_request',
  content_too_large: 'invalid_request',
  unsupported_media_type: 'invalid_request',
}

function createDetails({ message, hint }: AuthsecError, text: string, kind?: 'hint'): { details?: string } {
  if (message === text || kind === 'hint') return hint === undefined ? {} : { details: hint }
  return { details: hint === undefined ? message : `${message}. ${hint}` }
}

// RFC 6749 §5.2 and RFC 6750 §3.
function findChallenge(
  { code }: AuthsecError,
  { errors }: Pick<Endpoint, 'errors'>,
  { headers }: Request,
): string | undefined {
  switch (code) {
    case 'invalid_client':
      return 'Basic realm="authsec"'
    case 'invalid_token':
    case 'login_required':
      // Whoever sent no token cannot have sent an invalid one.
      return /^Bearer /i.test(headers.get('authorization') ?? '') ? 'Bearer error="invalid_token"' : 'Bearer'
    case 'access_denied':
      // A challenge is for whoever sent a token: the OAuth clients of a token endpoint take it for the error itself.
      return errors === 'authsec' ? 'Bearer error="insufficient_scope"' : undefined
    default:
      return undefined
  }
}

function createHeaders(error: AuthsecError): Headers {
  const headers = new Headers()
  if (error.code === 'temporarily_unavailable') headers.set('retry-after', '1')
  if (error.code === 'method_not_allowed') headers.set('allow', error.details?.['allow'] ?? '')
  // RFC 9110 §12.5.3: in what encoding a body may come.
  if (error.code === 'unsupported_media_type') headers.set('accept-encoding', 'identity')
  if (error.retryAfterMs !== undefined) headers.set('retry-after', `${Math.ceil(error.retryAfterMs / 1000)}`)
  return headers
}

function describe({ message, hint }: AuthsecError): string {
  return toErrorDescription(hint === undefined ? message : `${message}. ${hint}`)
}

// A surprise is told to nobody outside; the process that runs the server logs it.
function toAuthsecError(thrown: unknown): AuthsecError {
  return AuthsecError.is(thrown) ? thrown : new AuthsecError('internal', 'internal error')
}
