import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { encodeBase64url } from '../../src/core/base64url.js'
import { AuthsecError } from '../../src/core/errors.js'
import { MAX_JWT_LENGTH, parseJwt } from '../../src/core/jwt.js'

const HEADER = encodeText('{"alg":"ES256"}')
const PAYLOAD = encodeText('{"sub":"alice"}')
const SIGNATURE = encodeBase64url(new Uint8Array(64).fill(7))

describe('parseJwt', () => {
  test.each([
    { why: 'nothing', token: '', message: 'the token is empty' },
    { why: 'a word', token: 'nonsense', message: 'not a JWT: 1 part instead of three' },
    { why: 'two parts', token: `${HEADER}.${PAYLOAD}`, message: 'not a JWT: 2 parts instead of three' },
    {
      why: 'an encrypted token',
      token: `${HEADER}.a.b.c.d`,
      message: /encrypted \(five parts\), not a signed JWT/,
    },
    { why: 'no header', token: `.${PAYLOAD}.${SIGNATURE}`, message: 'the token has an empty part' },
    {
      why: 'no payload (detached)',
      token: `${HEADER}..${SIGNATURE}`,
      message: 'the token has an empty part',
    },
    { why: 'no signature', token: `${HEADER}.${PAYLOAD}.`, message: 'the token has an empty part' },
    {
      why: 'a line break at its end',
      token: `${HEADER}.${PAYLOAD}.${SIGNATURE}\n`,
      message: 'the signature of the token is not base64url',
    },
    {
      why: 'a prefix',
      token: `Bearer ${HEADER}.${PAYLOAD}.${SIGNATURE}`,
      message: 'the header of the token is unreadable: a part is not base64url',
    },
    {
      why: 'a padded signature',
      token: `${HEADER}.${PAYLOAD}.Zg==`,
      message: 'the signature of the token is not base64url',
    },
    {
      why: 'a signature with loose bits',
      token: `${HEADER}.${PAYLOAD}.Zh`,
      message: 'the signature of the token is not base64url',
    },
    { why: 'a header that is an array', ...withHeader('[]'), message: /the header .*: not a JSON object/ },
    { why: 'a payload that is null', ...withPayload('null'), message: /the payload .*: not a JSON object/ },
    { why: 'a payload that is text', ...withPayload('"sub"'), message: /the payload .*: not a JSON object/ },
    {
      why: 'a payload that is not JSON',
      ...withPayload('{sub:1}'),
      message: /the payload .*: not valid JSON/,
    },
    { why: 'a claim twice', ...withPayload('{"sub":"a","s\\u0075b":"b"}'), message: /"sub" stands twice/ },
    { why: 'a header member twice', ...withHeader('{"alg":"a","alg":"b"}'), message: /"alg" stands twice/ },
    { why: 'a byte order mark', ...withPayload('\ufeff{}'), message: /the payload .*: not valid JSON/ },
    {
      why: 'bottomless claims',
      ...withPayload(`{"act":${'['.repeat(40)}${']'.repeat(40)}}`),
      message: /nested deeper/,
    },
    {
      why: 'invalid UTF-8',
      token: `${HEADER}.${encodeBase64url(Uint8Array.of(0x22, 0xff, 0x22))}.${SIGNATURE}`,
      message: /the payload .*: not valid UTF-8/,
    },
    {
      why: 'overlong UTF-8',
      token: `${HEADER}.${encodeBase64url(Uint8Array.of(0xc0, 0xaf))}.${SIGNATURE}`,
      message: /not valid UTF-8/,
    },
    {
      why: 'a surrogate in UTF-8',
      token: `${HEADER}.${encodeBase64url(Uint8Array.of(0xed, 0xa0, 0x80))}.${SIGNATURE}`,
      message: /not valid UTF-8/,
    },
    {
      why: 'a token that is too long',
      ...withPayload(JSON.stringify({ sub: 'a'.repeat(MAX_JWT_LENGTH) })),
      message: /^the token has \d+ characters, more than 8192$/,
    },
  ])('refuses $why', ({ token, message }) => {
    const error = catchError(() => parseJwt(token))
    expect(error).toMatchObject({ code: 'token_malformed', message: expect.stringMatching(message) })
  })

  test.each([
    { what: 'letters', token: 'a'.repeat(10_000_000) },
    { what: 'dots', token: '.'.repeat(10_000_000) },
    { what: 'a whole token', token: `${HEADER}.${'A'.repeat(10_000_000)}.${SIGNATURE}` },
  ])('refuses 10 MB of $what before it looks inside', ({ token }) => {
    expect(() => parseJwt(token)).toThrow(`the token has ${token.length} characters, more than 8192`)
  })

  test('takes a token apart', () => {
    expect(parseJwt(`${HEADER}.${PAYLOAD}.${SIGNATURE}`)).toEqual({
      header: { alg: 'ES256' },
      claims: { sub: 'alice' },
      signingInput: `${HEADER}.${PAYLOAD}`,
      signature: new Uint8Array(64).fill(7),
    })
  })

  test('reads a token of exactly the greatest length, and a longer one when allowed', () => {
    const token = `${HEADER}.${PAYLOAD}.${SIGNATURE}`
    expect(parseJwt(token, token.length).claims).toEqual({ sub: 'alice' })
    expect(() => parseJwt(token, token.length - 1)).toThrow(AuthsecError)
  })

  // RFC 7519 §3.1 with the signature of RFC 7515 appendix A.1: its JSON holds line breaks, which is allowed.
  test('reads the example of RFC 7519', () => {
    const { header, claims } = parseJwt(
      'eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.' +
        'eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.' +
        'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk',
    )
    expect(header).toEqual({ typ: 'JWT', alg: 'HS256' })
    expect(claims).toEqual({ iss: 'joe', exp: 1300819380, 'http://example.com/is_root': true })
  })

  test('never throws anything but token_malformed, and never repeats the token', () => {
    const part = fc.oneof(
      fc.string({ unit: fc.constantFrom(...'abcXYZ019-_=+ \u0000'), maxLength: 40 }),
      fc.json().map(encodeText),
      fc.constant(HEADER),
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
        const token = parts.join('.')
        const error = catchError(() => parseJwt(token))
        if (error === undefined) return
        expect(error).toMatchObject({ code: 'token_malformed' })
        if (token.length > 20) expect((error as Error).message).not.toContain(token)
      }),
    )
  })
})

function encodeText(text: string): string {
  return encodeBase64url(new TextEncoder().encode(text))
}

function withHeader(json: string): { token: string } {
  return { token: `${encodeText(json)}.${PAYLOAD}.${SIGNATURE}` }
}

function withPayload(json: string): { token: string } {
  return { token: `${HEADER}.${encodeText(json)}.${SIGNATURE}` }
}

function catchError(run: () => unknown): unknown {
  try {
    run()
    return undefined
  } catch (error) {
    return error
  }
}
