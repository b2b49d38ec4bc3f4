import { AuthsecError, type ErrorCode } from '../core/errors.js'

/** What each exit code says to a script. The numbers are stable. */
export const EXIT_MEANINGS = {
  0: 'success: valid, granted',
  1: 'unexpected fault of the tool',
  2: 'usage: bad flag, bad configuration, missing input, answered "no"',
  4: 'login required, or the session has expired',
  5: 'known but not permitted',
  6: 'not found',
  7: 'conflict, or a precondition failed',
  8: 'the wait ran out before it happened',
  10: 'the answer is no: denied, different, renewal due',
  11: 'expired, and otherwise fine',
  12: 'not valid yet',
  13: 'signature, key or algorithm rejected',
  14: 'issuer, audience, type, claim or permission mismatch',
  15: 'revoked or inactive',
  16: 'malformed input',
  17: 'lint findings at or above --fail-on',
  18: 'audit log altered, forged or forked',
  19: 'audit evidence incomplete, or weaker than it has to be',
  20: 'network: the server cannot be reached',
  21: 'server error, or an answer that is not JSON',
  22: 'rate limited',
  23: 'timed out',
  125: 'exec: the program could not be started',
  130: 'interrupted',
  143: 'terminated',
} as const

export type ExitCode = keyof typeof EXIT_MEANINGS

/** How a command that calls a server can fail on the way there. */
export const SERVER_EXITS: readonly ExitCode[] = [20, 21, 22, 23]

// A code without a row is a fault of the tool.
const EXIT_CODES: Partial<Record<ErrorCode, ExitCode>> = {
  usage: 2,
  configuration: 2,
  cancelled: 2,
  interrupted: 130,
  terminated: 143,
  output_closed: 0,
  pending: 8,
  not_started: 125,
  login_required: 4,
  answer_no: 10,
  findings: 17,
  not_found: 6,
  conflict: 7,
  token_malformed: 16,
  key_malformed: 16,
  signature_invalid: 13,
  algorithm_rejected: 13,
  type_mismatch: 14,
  issuer_mismatch: 14,
  audience_mismatch: 14,
  tenant_mismatch: 14,
  claim_invalid: 14,
  permission_missing: 14,
  tool_mismatch: 14,
  unhandled_binding: 14,
  binding_missing: 14,
  call_mismatch: 14,
  field_unbound: 14,
  token_inactive: 15,
  token_missing: 2,
  token_expired: 11,
  token_not_yet_valid: 12,
  invalid_request: 2,
  invalid_client: 4,
  authorization_pending: 8,
  slow_down: 8,
  // RFC 8628 §3.5: not a token, but a code that nobody confirmed in time.
  expired_token: 8,
  unknown_user_id: 6,
  invalid_binding_message: 2,
  invalid_credentials: 4,
  account_locked: 5,
  invalid_grant: 5,
  invalid_scope: 5,
  invalid_target: 5,
  unauthorized_client: 5,
  unsupported_grant_type: 7,
  access_denied: 5,
  invalid_authorization_details: 2,
  replayed: 15,
  client_not_found: 6,
  client_inactive: 7,
  identity_missing: 7,
  delegation_not_allowed: 5,
  nothing_to_delegate: 5,
  policy_bound_elsewhere: 5,
  no_delegation: 6,
  delegation_expired: 5,
  network: 20,
  timed_out: 23,
  server_error: 21,
  rate_limited: 22,
  temporarily_unavailable: 21,
  misdirected_request: 2,
  foreign_origin: 5,
  method_not_allowed: 21,
  content_too_large: 2,
  unsupported_media_type: 2,
  request_invalid: 2,
  token_response_invalid: 21,
  grant_widened: 21,
  exchange_unsupported: 7,
  overloaded: 22,
  checkpoint_malformed: 16,
  checkpoint_forged: 18,
  audit_altered: 18,
  audit_incomplete: 19,
  port_in_use: 7,
  state_locked: 7,
  state_newer: 7,
  state_unreadable: 7,
  state_rolled_back: 7,
}

/** The exit code of a failure; 1 for everything that is not an `AuthsecError` with a row in the table. */
export function exitCodeOf(error: unknown): ExitCode {
  return AuthsecError.is(error) ? (EXIT_CODES[error.code] ?? 1) : 1
}

// Several failures at once: the most decisive first, so that a script may refresh on 11.
const DECISIVE: readonly ExitCode[] = [16, 13, 14, 15, 12, 11]

/** Of several failures of one token the one that decides the exit code, whose order is 16, 13, 14, 15, 12, 11. */
export function findDecisive<F extends { code: ErrorCode }>(failures: readonly F[]): F | undefined {
  const rank = (failure: F) => {
    const place = DECISIVE.indexOf(EXIT_CODES[failure.code] ?? 1)
    return place === -1 ? DECISIVE.length : place
  }
  return [...failures].sort((one, other) => rank(one) - rank(other))[0]
}
