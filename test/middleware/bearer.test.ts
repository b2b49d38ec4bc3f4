import { describe, expect, test } from 'vitest'
import { AuthsecError, type ErrorCode } from '../../src/core/errors.js'
import { describeRefusal, readBearerToken } from '../../src/middleware/bearer.js'

describe('the credentials of a request', () => {
  test.each(['Bearer abc.def-_~+/.ghi', 'bearer abc.def-_~+/.ghi', 'BEARER  abc.def-_~+/.ghi'])(
    'are the token in "%s"',
    (header) => {
      expect(readBearerToken([header])).toBe('abc.def-_~+/.ghi')
    },
  )

  test.each([
    { why: 'no header', headers: [], code: 'token_missing' },
    { why: 'another scheme', headers: ['Basic YWxpY2U6c2VjcmV0'], code: 'token_missing' },
    { why: 'a scheme that only begins like it', headers: ['Bearertoken abc'], code: 'token_missing' },
    { why: 'an empty header', headers: [''], code: 'token_missing' },
    { why: 'two headers', headers: ['Bearer abc', 'Bearer def'], code: 'invalid_request' },
    {
      why: 'two headers of different schemes',
      headers: ['Basic abc', 'Bearer def'],
      code: 'invalid_request',
    },
    { why: 'two headers joined by a proxy', headers: ['Bearer abc, Bearer def'], code: 'invalid_request' },
    { why: 'no token', headers: ['Bearer'], code: 'invalid_request' },
    { why: 'a space instead of a token', headers: ['Bearer '], code: 'invalid_request' },
    { why: 'two tokens', headers: ['Bearer abc def'], code: 'invalid_request' },
    { why: 'a token in quotes', headers: ['Bearer "abc"'], code: 'invalid_request' },
    { why: 'padding in the middle', headers: ['Bearer a=b'], code: 'invalid_request' },
  ])('are refused: $why', ({ headers, code }) => {
    expect(() => readBearerToken(headers)).toThrow(expect.objectContaining({ name: 'AuthsecError', code }))
  })
})

describe('the answer to a request that is refused', () => {
  const refuse = (code: ErrorCode) =>
    describeRefusal(new AuthsecError(code, 'secret words', { hint: 'secret hint' }))

  test.each([
    { code: 'token_malformed', title: 'the token is malformed' },
    { code: 'algorithm_rejected', title: 'the algorithm of the token is not accepted' },
    { code: 'signature_invalid', title: 'the signature of the token is not valid' },
    { code: 'type_mismatch', title: 'the token is of another type' },
    { code: 'issuer_mismatch', title: 'the token is from another issuer' },
    { code: 'audience_mismatch', title: 'the token is for another audience' },
    { code: 'tenant_mismatch', title: 'the token is from another tenant' },
    { code: 'claim_invalid', title: 'a claim of the token is not valid' },
    { code: 'token_expired', title: 'the token has expired' },
    { code: 'token_not_yet_valid', title: 'the token is not valid yet' },
    { code: 'token_inactive', title: 'the token is no longer alive' },
  ] as const)('is 401 invalid_token for $code', ({ code, title }) => {
    expect(refuse(code)).toEqual({
      status: 401,
      headers: {
        'content-type': 'application/problem+json',
        'cache-control': 'no-store',
        'www-authenticate': `Bearer error="invalid_token", error_description="${title}"`,
      },
      body: { title, status: 401, code },
    })
  })

  test('is 401 with a bare challenge when there is no token', () => {
    expect(refuse('token_missing')).toEqual({
      status: 401,
      headers: {
        'content-type': 'application/problem+json',
        'cache-control': 'no-store',
        'www-authenticate': 'Bearer',
      },
      body: { title: 'a bearer token is required', status: 401, code: 'token_missing' },
    })
  })

  test('is 400 invalid_request for credentials that cannot be read', () => {
    expect(refuse('invalid_request')).toMatchObject({
      status: 400,
      headers: {
        'www-authenticate':
          'Bearer error="invalid_request", error_description="exactly one bearer token is required"',
      },
    })
  })

  test('is 403 insufficient_scope naming the permissions of the route, and where the token is on record', () => {
    const error = new AuthsecError('permission_missing', 'no', { auditId: 'audit-1' })
    const expected = { permissions: ['billing:read', 'billing:refund'] }
    expect(describeRefusal(error, { expect: expected })).toEqual({
      status: 403,
      headers: {
        'content-type': 'application/problem+json',
        'cache-control': 'no-store',
        'www-authenticate':
          'Bearer error="insufficient_scope", error_description="the token lacks a permission", scope="billing:read billing:refund"',
      },
      body: {
        title: 'the token lacks a permission',
        status: 403,
        code: 'permission_missing',
        auditId: 'audit-1',
      },
    })
  })

  test('names no scope to ask for where any of several would do', () => {
    const error = new AuthsecError('permission_missing', 'no')
    expect(describeRefusal(error, { expect: { anyPermission: ['a:b', 'c:d'] } })?.headers).toMatchObject({
      'www-authenticate':
        'Bearer error="insufficient_scope", error_description="the token lacks a permission"',
    })
  })

  test.each([
    { code: 'tool_mismatch', title: 'the token is for another tool' },
    { code: 'unhandled_binding', title: 'the binding of the token is not handled' },
    { code: 'binding_missing', title: 'the token is not bound as it has to be' },
    { code: 'call_mismatch', title: 'the token is for another call' },
    { code: 'field_unbound', title: 'the request has a field that a call must not have here' },
    { code: 'replayed', title: 'the token has been used before' },
  ] as const)(
    'is 403 with a challenge that names no error where no scope would help: $code',
    ({ code, title }) => {
      const error = new AuthsecError(code, 'secret words')
      expect(
        describeRefusal(error, { expect: { permissions: ['a:b'] }, resourceMetadata: 'https://x' }),
      ).toEqual({
        status: 403,
        headers: {
          'content-type': 'application/problem+json',
          'cache-control': 'no-store',
          'www-authenticate': 'Bearer resource_metadata="https://x"',
        },
        body: { title, status: 403, code },
      })
    },
  )

  test.each([
    { code: 'token_missing', challenge: 'Bearer resource_metadata="https://billing.example/.well-known/x"' },
    {
      code: 'token_expired',
      challenge:
        'Bearer error="invalid_token", error_description="the token has expired", resource_metadata="https://billing.example/.well-known/x"',
    },
  ] as const)('names where to learn how to get a token: $code', ({ code, challenge }) => {
    const resourceMetadata = 'https://billing.example/.well-known/x'
    const refusal = describeRefusal(new AuthsecError(code, 'no'), { resourceMetadata })
    expect(refusal?.headers['www-authenticate']).toBe(challenge)
  })

  test.each(['network', 'timed_out', 'server_error', 'rate_limited', 'temporarily_unavailable'] as const)(
    'is 503 without a challenge for %s',
    (code) => {
      expect(refuse(code)).toEqual({
        status: 503,
        headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store' },
        body: { title: 'tokens cannot be verified at the moment', status: 503, code },
      })
    },
  )

  test('never repeats the words of the error', () => {
    expect(JSON.stringify(refuse('audience_mismatch'))).not.toContain('secret')
  })

  test.each([
    { what: 'a wrong configuration', error: new AuthsecError('configuration', 'x') },
    { what: 'misuse', error: new TypeError('x') },
    { what: 'anything thrown', error: 'x' },
  ])('is none for $what: that is a fault of the API', ({ error }) => {
    expect(describeRefusal(error)).toBeUndefined()
  })
})
