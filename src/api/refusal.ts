import { AuthsecError, type ErrorCode } from '../core/errors.js'
import { isOauthCode } from '../core/oauth-error.js'
import { toPrintable } from '../core/printable.js'
import { concealSecrets } from '../core/secrets.js'
import { isJsonObject, type Json, type JsonObject } from '../core/strict-json.js'

/** An answer other than success. Its texts are safe to print. */
export interface Refusal {
  status: number
  error: string
  details: string
}

export interface Explanation {
  code: ErrorCode
  message?: string
  hint?: string | undefined
}

export const LOGIN_HINT =
  'Log in with authsec login, or start authsec dev serve; AUTHSEC_TOKEN may hold the session of an admin, too.'

const PERMISSION_HINT =
  'See authsec whoami for who is logged in and what they may do; this may take an admin.'

const STATUS_CODES: Readonly<Record<number, ErrorCode>> = {
  400: 'invalid_request',
  401: 'login_required',
  403: 'access_denied',
  404: 'not_found',
  409: 'conflict',
  410: 'not_found',
  421: 'misdirected_request',
  429: 'rate_limited',
  503: 'temporarily_unavailable',
}

/** Whether an answer says no, whatever its status. An `error` that is empty or null says that there was none. */
export function isRefusal(body: Json): boolean {
  return isJsonObject(body) && typeof body['error'] === 'string' && body['error'] !== ''
}

/**
 * What an answer other than success means, as `explain` or otherwise its error or its status tells. Nothing in it is what
 * was sent in confidence.
 */
export function readRefusal(
  response: Response,
  body: Json,
  sent: readonly string[],
  explain?: (refusal: Refusal) => Explanation | undefined,
): AuthsecError {
  const fields = isJsonObject(body) ? body : {}
  const refusal: Refusal = { status: response.status, ...readTexts(fields, sent) }
  const { code, message, hint } = explain?.(refusal) ?? explainByDefault(refusal)
  const told = tellRefusal(refusal)
  return new AuthsecError(code, message ?? told.message, {
    // What the server advises about this very refusal is better than what can be said of all of its kind.
    hint: (message === undefined ? told.hint : undefined) ?? tellNewAddress(response, fields, sent) ?? hint,
    requestId: readRequestId(response, sent) ?? readMember(fields, 'request_id', sent),
    auditId: readMember(fields, 'authsec_audit', sent),
    ...(code === 'rate_limited' && { retryAfterMs: readRetryAfter(response) }),
    // What is damaged is no outage: the server would say the same again.
    ...(fields['code'] === 'state_unreadable' && { retryable: false }),
  })
}

/** Tells a 404 of a whole route, of a server that does not have it, from that of what it was asked about (`except`). */
export function explainAbsence(
  { serverUrl }: { serverUrl: string },
  what: string,
  except?: RegExp,
): (refusal: Refusal) => Explanation | undefined {
  return ({ status, error }) =>
    status === 404 && !except?.test(error)
      ? { code: 'conflict', message: `${serverUrl} knows no ${what}`, hint: undefined }
      : undefined
}

export function isRedirect({ status }: Response): boolean {
  return status >= 300 && status < 400
}

/** The type of an answer without its parameters, in small letters. */
export function readContentType({ headers }: Response): string | undefined {
  return headers.get('content-type')?.split(';')[0]?.trim().toLowerCase() || undefined
}

/** What an answer means that is not of the kind that was asked for; nothing in it is what was sent in confidence. */
export function readOtherKind(
  response: Response,
  { from, wanted }: { from: string; wanted: string },
  sent: readonly string[],
): AuthsecError {
  const requestId = readRequestId(response, sent)
  if (isRedirect(response)) {
    const hint = 'Give the address that the server itself has.'
    return new AuthsecError('server_error', `${from} answered with a redirect, which is refused`, {
      hint,
      requestId,
    })
  }
  const type = toPrintable(concealSecrets(readContentType(response) ?? 'no content type', sent).slice(0, 100))
  const isCalledSo = wanted === 'JSON' && /[/+]json$/.test(type)
  const other = isCalledSo ? `${type} that is not valid` : `${type} instead of ${wanted}`
  return new AuthsecError('server_error', `${from} answered ${response.status} with ${other}`, {
    hint: 'Check that the address is that of an AuthSec server.',
    requestId,
  })
}

// AuthSec writes {error, details}, its key bundle {error: {code, message}}, OAuth {error, error_description}.
function readTexts(body: JsonObject, sent: readonly string[]): { error: string; details: string } {
  const nested = isJsonObject(body['error']) ? body['error'] : undefined
  const error = nested
    ? (readMember(nested, 'message', sent) ?? readMember(nested, 'code', sent))
    : readMember(body, 'error', sent)
  const details = readMember(body, 'error_description', sent) ?? readMember(body, 'details', sent)
  return { error: error ?? '', details: details ?? '' }
}

function explainByDefault({ status, error }: Refusal): Explanation {
  if (isOauthCode(error)) return { code: error }
  const code = STATUS_CODES[status] ?? (status >= 500 || status < 300 ? 'server_error' : 'invalid_request')
  if (code === 'login_required') return { code, hint: LOGIN_HINT }
  if (code === 'access_denied' && /^insufficient_scope$|permission/i.test(error)) {
    return { code, hint: PERMISSION_HINT }
  }
  return { code }
}

// Generation B of AuthSec answers so where A and P have a route, and says what is there instead.
function tellNewAddress({ status }: Response, body: JsonObject, sent: readonly string[]): string | undefined {
  const address = status === 410 ? readMember(body, 'correct_url', sent) : undefined
  if (address === undefined) return undefined
  return `This server is of a generation of AuthSec that has other routes: it names ${address} instead.`
}

// A clause and, where the server gives advice, a sentence: AuthSec keeps them apart, OAuth has one text for both.
function tellRefusal({ status, error, details }: Refusal): { message: string; hint?: string } {
  // A code such as invalid_scope says nothing that its description does not.
  const isCode = /^[a-z]+(?:_[a-z]+)+$/.test(error) && details !== ''
  const isAdvice = !isCode && /^[A-Z].*[.…]$/s.test(details)
  const [reason, advice] = isAdvice ? ['', details] : splitAdvice(details)
  const message = [isCode ? '' : error, reason].filter((text) => text !== '').join(': ')
  return {
    message: message === '' ? `the server answered ${status} without saying why` : startLower(message),
    ...(advice !== '' && { hint: advice }),
  }
}

function splitAdvice(text: string): [clause: string, advice: string] {
  const [, clause, advice] = /^(.+?)\. ([A-Z].*[.…])$/s.exec(text) ?? []
  return clause === undefined || advice === undefined ? [text, ''] : [clause, advice]
}

function startLower(text: string): string {
  return /^[A-Z][a-z]*\b/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text
}

// The id by which the server knows the request, safe to print.
function readRequestId(response: Response, sent: readonly string[]): string | undefined {
  const id = response.headers.get('x-request-id')
  return id === null ? undefined : toPrintable(concealSecrets(id, sent).slice(0, 128))
}

function readMember(object: JsonObject, name: string, sent: readonly string[]): string | undefined {
  const value = object[name]
  return typeof value === 'string' ? toPrintable(concealSecrets(value, sent).slice(0, 500)) : undefined
}

function readRetryAfter(response: Response): number | undefined {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  return Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : undefined
}
