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
  /** The error code of the challenge, RFC 6750 §3.1; without one the challenge is bare, or there is none. */
  error?: 'invalid_request' | 'invalid_token' | 'insufficient_scope'
  title: string
}

const UNAVAILABLE: Verdict = { status: 503, title: 'tokens cannot be verified at the moment' }

const VERDICTS: Readonly<Partial<Record<ErrorCode, Verdict>>> = {
  token_missing: { status: 401, title: 'a bearer token is required' },
  invalid_request: { status: 400, error: 'invalid_request', title: 'exactly one bearer token is required' },
  token_malformed: { status: 401, error: 'invalid_token', title: 'the token is malformed' },
  algorithm_rejected: {
    status: 401,
    error: 'invalid_token',
    title: 'the algorithm of the token is not accepted',
  },
  signature_invalid: {
    status: 401,
    error: 'invalid_token',
    title: 'the signature of the token is not valid',
  },
  type_mismatch: { status: 401, error: 'invalid_token', title: 'the token is of another type' },
  issuer_mismatch: { status: 401, error: 'invalid_token', title: 'the token is from another issuer' },
  audience_mismatch: { status: 401, error: 'invalid_token', title: 'the token is for another audience' },
  tenant_mismatch: { status: 401, error: 'invalid_token', title: 'the token is from another tenant' },
  claim_invalid: { status: 401, error: 'invalid_token', title: 'a claim of the token is not valid' },
  token_expired: { status: 401, error: 'invalid_token', title: 'the token has expired' },
  token_not_yet_valid: { status: 401, error: 'invalid_token', title: 'the token is not valid yet' },
  permission_missing: { status: 403, error: 'insufficient_scope', title: 'the token lacks a permission' },
  tool_mismatch: { status: 403, error: 'insufficient_scope', title: 'the token is for another tool' },
  unhandled_binding: {
    status: 403,
    error: 'insufficient_scope',
    title: 'the binding of the token is not handled',
  },
  network: UNAVAILABLE,
  timed_out: UNAVAILABLE,
  server_error: UNAVAILABLE,
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

/**
 * Says how to answer a request that was not let through. Undefined for an error that is no verdict about the
 * request but a fault of the API: a wrong configuration, a bug.
 */
export function describeRefusal(error: unknown, expect: Expectation = {}): HttpRefusal | undefined {
  if (!AuthsecError.is(error)) return undefined
  const verdict = VERDICTS[error.code]
  if (verdict === undefined) return undefined
  const { status, title } = verdict
  return {
    status,
    headers: {
      'content-type': 'application/problem+json',
      ...(status !== UNAVAILABLE.status && {
        'www-authenticate': formatChallenge(verdict, error.code, expect),
      }),
    },
    body: { title, status, code: error.code, ...(error.auditId !== undefined && { auditId: error.auditId }) },
  }
}

// RFC 6750 §3. Every value is a text of this file or a checked permission: nothing in it needs escaping.
function formatChallenge({ error, title }: Verdict, code: ErrorCode, expect: Expectation): string {
  if (error === undefined) return 'Bearer'
  const parameters = [`error="${error}"`, `error_description="${title}"`]
  if (code === 'permission_missing' && expect.permissions !== undefined) {
    parameters.push(`scope="${expect.permissions.join(' ')}"`)
  }
  return `Bearer ${parameters.join(', ')}`
}
