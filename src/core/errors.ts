import { adviseAction, describeToModel, type ErrorAction } from './error-advice.js'

/**
 * Every deliberate failure of the project, grouped by who meets it. The command's exit code follows from
 * the code alone (`cli/exit-codes.ts`), as does the HTTP status (`server/problem.ts`).
 */
export type ErrorCode =
  // Using the tool
  | 'usage'
  | 'configuration'
  | 'cancelled'
  | 'interrupted'
  | 'terminated'
  | 'output_closed'
  | 'pending'
  | 'login_required'
  | 'not_found'
  | 'conflict'
  | 'internal'
  | 'not_started'
  | 'answer_no'
  | 'findings'
  // Checking a token
  | 'token_malformed'
  | 'signature_invalid'
  | 'algorithm_rejected'
  | 'type_mismatch'
  | 'issuer_mismatch'
  | 'audience_mismatch'
  | 'tenant_mismatch'
  | 'claim_invalid'
  | 'permission_missing'
  | 'tool_mismatch'
  | 'unhandled_binding'
  | 'binding_missing'
  | 'call_mismatch'
  | 'field_unbound'
  | 'token_missing'
  | 'token_expired'
  | 'token_not_yet_valid'
  | 'token_inactive'
  // Reading a key
  | 'key_malformed'
  // Asking for a token, RFC 6749 §5.2, RFC 8693 §2.2.2, RFC 8707 §2, RFC 9396 §5
  | 'invalid_request'
  | 'invalid_client'
  | 'invalid_grant'
  | 'invalid_scope'
  | 'invalid_target'
  | 'unauthorized_client'
  | 'unsupported_grant_type'
  | 'access_denied'
  | 'invalid_authorization_details'
  | 'replayed'
  // Registering a client, RFC 7591 §3.2.2
  | 'invalid_redirect_uri'
  | 'invalid_client_metadata'
  | 'invalid_software_statement'
  | 'unapproved_software_statement'
  | 'invalid_token'
  // Waiting for a person, RFC 8628 §3.5, CIBA §11 and §13
  | 'authorization_pending'
  | 'slow_down'
  | 'expired_token'
  | 'unknown_user_id'
  | 'invalid_binding_message'
  // Logging in
  | 'invalid_credentials'
  | 'account_locked'
  // Delegating, AuthSec's own refusals
  | 'client_not_found'
  | 'client_inactive'
  | 'identity_missing'
  | 'delegation_not_allowed'
  | 'nothing_to_delegate'
  | 'policy_bound_elsewhere'
  | 'no_delegation'
  | 'delegation_expired'
  // Talking to a server
  | 'network'
  | 'timed_out'
  | 'server_error'
  | 'rate_limited'
  | 'temporarily_unavailable'
  | 'misdirected_request'
  | 'foreign_origin'
  | 'method_not_allowed'
  | 'content_too_large'
  | 'unsupported_media_type'
  // The SDK
  | 'request_invalid'
  | 'token_response_invalid'
  | 'grant_widened'
  | 'exchange_unsupported'
  | 'overloaded'
  | 'closed'
  // Acting for a user, and the answers of the API that is called
  | 'subject_expired'
  | 'subject_mismatch'
  | 'approval_rejected'
  | 'approval_unsupported'
  | 'delegation_undeclared'
  | 'token_leaked'
  | 'origin_rejected'
  | 'token_rejected'
  | 'scope_required'
  | 'step_up_required'
  // Checking the audit log
  | 'checkpoint_malformed'
  | 'checkpoint_forged'
  | 'audit_altered'
  | 'audit_incomplete'
  // Running a server
  | 'port_in_use'
  | 'state_locked'
  | 'state_newer'
  | 'state_unreadable'
  | 'state_rolled_back'

export interface AuthsecErrorOptions {
  /** The next action, as a sentence for a person. */
  hint?: string | undefined
  /** Whether the same call may succeed later; by default only for the codes of the network. */
  retryable?: boolean
  /** How long to wait before trying again, in milliseconds. */
  retryAfterMs?: number | undefined
  /** The audit event that recorded the refusal. */
  auditId?: string | undefined
  /** The id the server gave to the request, to find it in the audit log. */
  requestId?: string | undefined
  /** More members for a machine, where the code alone does not tell enough. */
  details?: Readonly<Record<string, string>> | undefined
  cause?: unknown
}

const RETRYABLE: ReadonlySet<ErrorCode> = new Set([
  'network',
  'timed_out',
  'server_error',
  'rate_limited',
  'temporarily_unavailable',
  'overloaded',
])

// A registered symbol, so that a second copy of this module (a bundle, another version) is recognised too.
const MARK = Symbol.for('authsec.error')

/**
 * The one error class of the project. `message` is a lower-case clause that names the offending value,
 * `hint` the next action. Neither ever carries a token or a secret.
 */
export class AuthsecError extends Error {
  override readonly name = 'AuthsecError'
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly retryable: boolean
  readonly retryAfterMs: number | undefined
  readonly auditId: string | undefined
  readonly requestId: string | undefined
  readonly details: Readonly<Record<string, string>> | undefined

  constructor(code: ErrorCode, message: string, options: AuthsecErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint
    this.retryable = options.retryable ?? RETRYABLE.has(code)
    this.retryAfterMs = options.retryAfterMs
    this.auditId = options.auditId
    this.requestId = options.requestId
    this.details = options.details
    Object.defineProperty(this, MARK, { value: true })
  }

  /** What a program does about it: the one question that a caller has who does not know the code. */
  get action(): ErrorAction {
    return adviseAction(this.code)
  }

  /**
   * What a model may be told: whether to try again and what to say to the user, in our words alone. Undefined for a
   * mistake of the program.
   */
  get modelMessage(): string | undefined {
    return describeToModel(this.code)
  }

  /** Recognises an error of this class, also from another copy of the package; optionally with a code. */
  static is(error: unknown, code?: ErrorCode): error is AuthsecError {
    if (typeof error !== 'object' || error === null || !(MARK in error)) return false
    return code === undefined || ('code' in error && error.code === code)
  }
}
