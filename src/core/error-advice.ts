import type { ErrorCode } from './errors.js'

/** What a program does about a failure. */
export type ErrorAction = 'retry' | 'sign_in' | 'approve' | 'step_up' | 'fix_config' | 'stop'

/** What to do about a failure, by its code alone; `stop` where asking again, by anybody, changes nothing. */
export function adviseAction(code: ErrorCode): ErrorAction {
  return ACTIONS[code] ?? 'stop'
}

/**
 * What a model may know of a failure to get a token: whether to try again and what to tell the user, in our words
 * alone. The server's words could carry instructions, and their details are nobody's business in a prompt.
 * Undefined for a mistake of the program, which the developer should see as it is: what is said of it are our words too.
 */
export function describeToModel(code: ErrorCode): string | undefined {
  return OWN_WORDS.has(code) ? undefined : (MODEL_MESSAGES[code] ?? UNTRUSTED)
}

/** What no answer of a server is taken for. */
const OWN_WORDS: ReadonlySet<ErrorCode> = new Set([
  'usage',
  'configuration',
  'key_malformed',
  'request_invalid',
  'closed',
  'internal',
])

const ACTIONS: Partial<Record<ErrorCode, ErrorAction>> = {
  network: 'retry',
  timed_out: 'retry',
  server_error: 'retry',
  rate_limited: 'retry',
  temporarily_unavailable: 'retry',
  overloaded: 'retry',
  authorization_pending: 'retry',
  slow_down: 'retry',
  login_required: 'sign_in',
  subject_expired: 'sign_in',
  subject_mismatch: 'sign_in',
  no_delegation: 'approve',
  delegation_expired: 'approve',
  invalid_grant: 'approve',
  expired_token: 'approve',
  step_up_required: 'step_up',
  usage: 'fix_config',
  configuration: 'fix_config',
  key_malformed: 'fix_config',
  request_invalid: 'fix_config',
  invalid_request: 'fix_config',
  invalid_client: 'fix_config',
  invalid_target: 'fix_config',
  unauthorized_client: 'fix_config',
  unsupported_grant_type: 'fix_config',
  client_not_found: 'fix_config',
  exchange_unsupported: 'fix_config',
  approval_unsupported: 'fix_config',
  delegation_undeclared: 'fix_config',
  unknown_user_id: 'fix_config',
  origin_rejected: 'fix_config',
  issuer_mismatch: 'fix_config',
  misdirected_request: 'fix_config',
  scope_required: 'fix_config',
}

const NOT_PERMITTED =
  'Access denied: this agent may not do this. Do not try it again; tell the user that the permission is missing.'
const NO_DELEGATION =
  'Access denied: this agent holds no valid delegation from the user. Do not try it again; tell the user that ' +
  'access has to be granted anew.'
const SIGN_IN =
  'Access denied: the user is no longer signed in. Do not try it again; ask the user to sign in and to repeat the request.'
const REJECTED =
  'Not done: the person who was asked to approve this has said no. Do not try it again; tell the user that it was not approved.'
const UNANSWERED =
  'Not done: nobody has approved this in time. Do not try it again by yourself; tell the user that the approval is still missing.'
const UNAVAILABLE =
  'Access could not be checked because the authorization service is not available at the moment. You may try ' +
  'this once more; if it fails again, tell the user.'
const UNTRUSTED =
  'Access denied: the authorization service did not answer as it should. Do not try it again; tell the user ' +
  'that an administrator has to look at it.'

const MODEL_MESSAGES: Partial<Record<ErrorCode, string>> = {
  access_denied: NOT_PERMITTED,
  invalid_scope: NOT_PERMITTED,
  invalid_target: NOT_PERMITTED,
  unauthorized_client: NOT_PERMITTED,
  exchange_unsupported: NOT_PERMITTED,
  scope_required: NOT_PERMITTED,
  origin_rejected: NOT_PERMITTED,
  token_rejected: NOT_PERMITTED,
  no_delegation: NO_DELEGATION,
  delegation_expired: NO_DELEGATION,
  invalid_grant: NO_DELEGATION,
  invalid_client: NO_DELEGATION,
  client_not_found: NO_DELEGATION,
  subject_expired: SIGN_IN,
  subject_mismatch: SIGN_IN,
  step_up_required: SIGN_IN,
  approval_rejected: REJECTED,
  expired_token: UNANSWERED,
  approval_unsupported: NOT_PERMITTED,
  delegation_undeclared: NOT_PERMITTED,
  unknown_user_id: NOT_PERMITTED,
  network: UNAVAILABLE,
  timed_out: UNAVAILABLE,
  server_error: UNAVAILABLE,
  rate_limited: UNAVAILABLE,
  temporarily_unavailable: UNAVAILABLE,
  overloaded: UNAVAILABLE,
}
