import type { AuthsecError, ErrorCode } from '../core/errors.js'

const NOT_PERMITTED =
  'Access denied: this agent may not do this. Do not try it again; tell the user that the permission is missing.'
const NO_DELEGATION =
  'Access denied: this agent holds no valid delegation from the user. Do not try it again; tell the user that ' +
  'access has to be granted anew.'
const UNAVAILABLE =
  'Access could not be checked because the authorization service is not available at the moment. You may try ' +
  'this once more; if it fails again, tell the user.'
const UNTRUSTED =
  'Access denied: the authorization service did not answer as it should. Do not try it again; tell the user ' +
  'that an administrator has to look at it.'

const MESSAGES: Partial<Record<ErrorCode, string>> = {
  access_denied: NOT_PERMITTED,
  invalid_scope: NOT_PERMITTED,
  invalid_target: NOT_PERMITTED,
  unauthorized_client: NOT_PERMITTED,
  exchange_unsupported: NOT_PERMITTED,
  no_delegation: NO_DELEGATION,
  delegation_expired: NO_DELEGATION,
  invalid_grant: NO_DELEGATION,
  invalid_client: NO_DELEGATION,
  client_not_found: NO_DELEGATION,
  network: UNAVAILABLE,
  timed_out: UNAVAILABLE,
  server_error: UNAVAILABLE,
  rate_limited: UNAVAILABLE,
  temporarily_unavailable: UNAVAILABLE,
  overloaded: UNAVAILABLE,
  grant_widened: UNTRUSTED,
  token_response_invalid: UNTRUSTED,
  issuer_mismatch: UNTRUSTED,
}

/**
 * What a model may know of a failure to get a token: whether to try again and what to tell the user, in our words
 * alone. The server's words could carry instructions, and their details are nobody's business in a prompt.
 * Undefined for a mistake of the program, which the developer should see as it is.
 */
export function describeForModel(error: AuthsecError): string | undefined {
  return MESSAGES[error.code]
}
