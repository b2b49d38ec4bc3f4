import type { ErrorCode } from './errors.js'

// RFC 6749 §5.2, RFC 8628 §3.5, RFC 8693 §2.2.2, RFC 8707 §2, and CIBA §11 and §13.
const OAUTH_CODES: ReadonlySet<unknown> = new Set<ErrorCode>([
  'invalid_request',
  'invalid_client',
  'invalid_grant',
  'invalid_scope',
  'invalid_target',
  'unauthorized_client',
  'unsupported_grant_type',
  'access_denied',
  'temporarily_unavailable',
  'authorization_pending',
  'slow_down',
  'expired_token',
  'unknown_user_id',
  'invalid_binding_message',
])

/** Whether the `error` of an answer is a word of OAuth: each is one of our codes as it stands. */
export function isOauthCode(error: unknown): error is ErrorCode {
  return OAUTH_CODES.has(error)
}
