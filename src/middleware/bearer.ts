import { AuthsecError, type ErrorCode } from '../core/errors.js'
import type { Expectation } from '../verify/expectation.js'

/** What an API answers when it does not serve a request, in whatever framework it is written. */
export interface HttpRefusal {
  status: number
  headers: Readonly<Record<string, string>>
  body: Problem
}

/** The body of a refusal: problem details (RFC 9457) with the error code. It never repeats what was sent. */
export interface Problem {
  title: string
  status: number
  code: ErrorCode
  /** The audit event of the token's issuance, when a genuine token was not enough. */
  auditId?: string
}

interface Verdict {
  status: 400 | 401 | 403 | 503
  /** The error code of the challenge, RFC 6750 §3.1. */
  error?: 'invalid_request' | 'invalid_token' | 'insufficient_scope'
  title: string
}

const invalid = (title: string): Verdict => ({ status: 401, error: 'invalid_token', title })
// Without an error code of RFC 6750: no other scope and no newer token would help, and its clients try one of the two.
const forbidden = (title: string): Verdict => ({ status: 403, title })
const UNAVAILABLE: Verdict = { status: 503, title: 'tokens cannot be verified at the moment' }

const VERDICTS: Readonly<Partial<Record<ErrorCode, Verdict>>> = {
  token_missing: { status: 401, title: 'a bearer token is required' },
  invalid_request: { status: 400, error: 'invalid_request', title: 'exactly one bearer token is required' },
  token_malformed: invalid('the token is malformed'),
  algorithm_rejected: invalid('the algorithm of the token is not accepted'),
  signature_invalid: invalid('the signature of the token is not valid'),
  type_mismatch: invalid('the token is of another type'),
  issuer_mismatch: invalid('the token is from another issuer'),
  audience_mismatch: invalid('the token is for another audience'),
  tenant_mismatch: invalid('the token is from another tenant'),
  claim_invalid: invalid('a claim of the token is not valid'),
  token_expired: invalid('the token has expired'),
  token_not_yet_valid: invalid('the token is not valid yet'),
  token_inactive: invalid('the token is no longer alive'),
  permission_missing: { status: 403, error: 'insufficient_scope', title: 'the token lacks a permission' },
  tool_mismatch: forbidden('the token is for another tool'),
  unhandled_binding: forbidden('the binding of the token is not handled'),
  binding_missing: forbidden('the token is not bound as it has to be'),
  call_mismatch: forbidden('the token is for another call'),
  field_unbound: forbidden('the request has a field that a call must not have here'),
  replayed: forbidden('the token has been used before'),
  network: UNAVAILABLE,
  timed_out: UNAVAILABLE,
  server_error: UNAVAILABLE,
  rate_limited: UNAVAILABLE,
  temporarily_unavailable: UNAVAILABLE,
}

/**
 * Reads the token out of the `Authorization` headers of a request (RFC 6750 §2.1). Throws `token_missing` when no
 * bearer token is there, and `invalid_request` for several credentials or one that is not written as a token.
 */
export function readBearerToken(authorization: readonly string[]): string {
  const [header, ...others] = authorization
  if (others.length > 0) throw new AuthsecError('invalid_request', 'the request has several credentials')
  if (header === undefined || !/^Bearer(?: |$)/i.test(header)) {
    throw new AuthsecError('token_missing', 'the request has no bearer token', {
      hint: 'Send the header Authorization: Bearer followed by the token.',
    })
  }
  const [, token] = /^\S+ +([A-Za-z0-9\-._~+/]+=*)$/.exec(header) ?? []
  if (token === undefined)
    throw new AuthsecError('invalid_request', 'the credentials are not one bearer token')
  return token
}

/** What a challenge says beside the error: RFC 6750 §3 and RFC 9728 §5.1. */
export interface Challenge {
  expect?: Expectation | undefined
  /** The address at which a client learns how to get a token. */
  resourceMetadata?: string | undefined
}

/**
 * Says how to answer a request that was not let through. Undefined for an error that is no verdict about the
 * request but a fault of the API: a wrong configuration, a bug.
 */
export function describeRefusal(error: unknown, challenge: Challenge = {}): HttpRefusal | undefined {
  if (!AuthsecError.is(error)) return undefined
  const { code, auditId } = error
  const verdict = VERDICTS[code]
  if (verdict === undefined) return undefined
  const { status, title } = verdict
  return {
    status,
    headers: {
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      ...(verdict !== UNAVAILABLE && { 'www-authenticate': formatChallenge(verdict, code, challenge) }),
    },
    body: { title, status, code, ...(auditId !== undefined && { auditId }) },
  }
}

// Every value is a text of this file, a checked permission or a URL: nothing in it needs escaping.
function formatChallenge(
  { error, title }: Verdict,
  code: ErrorCode,
  { expect, resourceMetadata }: Challenge,
): string {
  const parameters = [
    ...(error === undefined ? [] : [`error="${error}"`, `error_description="${title}"`]),
    ...(code === 'permission_missing' && expect?.permissions !== undefined
      ? [`scope="${expect.permissions.join(' ')}"`]
      : []),
    ...(resourceMetadata === undefined ? [] : [`resource_metadata="${resourceMetadata}"`]),
  ]
  return parameters.length === 0 ? 'Bearer' : `Bearer ${parameters.join(', ')}`
}
