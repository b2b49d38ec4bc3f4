import { AuthsecError, type ErrorCode } from '../core/errors.js'
import { isOauthCode } from '../core/oauth-error.js'
import { toPrintable } from '../core/printable.js'
import { concealSecrets } from '../core/secrets.js'
import type { JsonObject } from '../core/strict-json.js'
import type { HttpAnswer } from './http.js'

// The server heard the question and said no; asking again changes nothing until somebody there changes something.
const DENIALS: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'access_denied',
  'invalid_scope',
  'invalid_target',
  'unauthorized_client',
  'invalid_client',
  'invalid_grant',
  'client_not_found',
  'no_delegation',
  'delegation_expired',
  'subject_expired',
  'subject_mismatch',
])

const HINTS: Partial<Record<ErrorCode, string>> = {
  invalid_scope: 'Ask for less, or have the policy and the delegation of this agent widened.',
  invalid_target: 'Name the API exactly as it is registered: authsec resource list shows how.',
  invalid_grant: 'The delegation may have been revoked or replaced: have it granted again.',
  access_denied: 'Ask whoever delegates to this agent.',
}

const MAX_TEXT_LENGTH = 300

/** The JSON object of a 200; anything else is thrown as the `AuthsecError` that it means. */
export function readSuccess(answer: HttpAnswer): JsonObject {
  if (answer.status !== 200) throw describeRefusal(answer)
  if (answer.body === undefined) throw notJson(answer)
  return answer.body
}

/** Whether an error is the server's no, rather than its silence or its confusion. */
export function isDenial(error: unknown): error is AuthsecError {
  return AuthsecError.is(error) && DENIALS.has(error.code)
}

/**
 * What an answer other than success means: the code of an OAuth error body, otherwise what the status says
 * (429 `rate_limited`, 5xx and what is not JSON `server_error`). The server's words are made printable, cut,
 * and freed of what it was sent in confidence and of anything that looks like a token.
 */
export function describeRefusal(answer: HttpAnswer): AuthsecError {
  const { status, body } = answer
  const code = refusalCode(answer)
  // A status that speaks for itself needs no body.
  if (body === undefined && (status >= 500 || code === 'invalid_request')) return notJson(answer)
  const words = readRefusalText(answer)
  return new AuthsecError(code, words === '' ? `${answer.from} answered ${status}` : words, {
    hint: HINTS[code],
    auditId: readText(answer, 'authsec_audit'),
    requestId: answer.requestId ?? readText(answer, 'request_id'),
    retryAfterMs: answer.retryAfterMs,
  })
}

/** A refusal once more, for somebody else who would be refused; it holds for so many milliseconds. */
export function repeatRefusal(refusal: AuthsecError, retryAfterMs: number): AuthsecError {
  const { code, message, hint, retryable, auditId, requestId } = refusal
  return new AuthsecError(code, message, { hint, retryable, auditId, requestId, retryAfterMs })
}

/** What the server says about its refusal, safe to print: AuthSec writes `details`, OAuth `error_description`. */
export function readRefusalText(answer: HttpAnswer): string {
  return (
    readText(answer, 'error_description') ?? readText(answer, 'details') ?? readText(answer, 'error') ?? ''
  )
}

function refusalCode({ status, body }: HttpAnswer): ErrorCode {
  if (status === 429) return 'rate_limited'
  const error = body?.['error']
  if (isOauthCode(error)) return error
  if (status >= 500) return 'server_error'
  if (status === 401) return 'invalid_client'
  if (status === 403) return 'access_denied'
  if (status === 421) return 'misdirected_request'
  return 'invalid_request'
}

function notJson({ from, status, requestId, retryAfterMs }: HttpAnswer): AuthsecError {
  return new AuthsecError('server_error', `${from} answered ${status} without a JSON object`, {
    hint: 'Check that the server URL is that of an AuthSec server.',
    requestId,
    retryAfterMs,
  })
}

function readText({ body, sent }: HttpAnswer, name: string): string | undefined {
  const value = body?.[name]
  if (typeof value !== 'string') return undefined
  const text = concealSecrets(value, sent)
  return toPrintable(text.length > MAX_TEXT_LENGTH ? `${text.slice(0, MAX_TEXT_LENGTH)}…` : text)
}
