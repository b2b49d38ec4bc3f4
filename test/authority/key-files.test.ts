import { createHash, generateKeyPairSync } from 'node:crypto'
import { importJWK, jwtVerify, SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import {
  formatJwk,
  formatPem,
  GENERATED_ALGORITHMS,
  generateKey,
  parseKeys,
} from '../../src/authority/key-files.js'
import { TEST_CERTIFICATE, TEST_KEY } from '../support/tls-identity.js'

/** RFC 7638 §3, from its text: the required members in order, without spaces, SHA-256. */
function thumbprint(jwk: Record<string, unknown>): string {
  const members = { EC: ['crv', 'kty', 'x', 'y'], RSA: ['e', 'kty', 'n'], OKP: ['crv', 'kty', 'x'] }
  const names = members[jwk['kty'] as keyof typeof members]
  const text = `{${names.map((name) => `"${name}":"${jwk[name]}"`).join(',')}}`
  return createHash('sha256').update(text).digest('base64url')
}

describe.each(GENERATED_ALGORITHMS)('a key made for %s', (alg) => {
  test('has its thumbprint as its id, and nothing private in its public form', async () => {
    const key = await generateKey(alg)
    const jwk = formatJwk(key, 'public')
    expect(jwk).toMatchObject({ kid: thumbprint({ ...jwk }), use: 'sig', alg })
    for (const member of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']) expect(jwk).not.toHaveProperty(member)
    expect(formatPem(key, 'public')).toMatch(/^-----BEGIN PUBLIC KEY-----\n/)
  })

  test('signs what its public part verifies', async () => {
    const key = await generateKey(alg)
    const [own, everybody] = [
      await importJWK(formatJwk(key, 'private'), alg),
      await importJWK(formatJwk(key, 'public'), alg),
    ]
    const token = await new SignJWT({ sub: 'me' }).setProtectedHeader({ alg }).sign(own)
    await expect(jwtVerify(token, everybody)).resolves.toMatchObject({ payload: { sub: 'me' } })
  })

  test('is the same key in every form', async () => {
    const key = await generateKey(alg)
    const forms = [
      JSON.stringify(formatJwk(key, 'public')),
      JSON.stringify(formatJwk(key, 'private')),
      JSON.stringify({ keys: [formatJwk(key, 'private')] }),
      formatPem(key, 'public'),
      formatPem(key, 'private'),
      `\r\n${formatPem(key, 'private').replaceAll('\n', '\r\n')}`,
    ]
    for (const form of forms) {
      const [read, ...more] = await parseKeys(form, 'x')
      expect([read?.kid, read?.alg, more]).toEqual([key.kid, alg, []])
    }
  })
})

test('older forms of PEM are read too', async () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey
  const [pkcs1] = await parseKeys(rsa.export({ format: 'pem', type: 'pkcs1' }).toString(), 'x')
  const [sec1] = await parseKeys(ec.export({ format: 'pem', type: 'sec1' }).toString(), 'x')
  expect([pkcs1?.alg, sec1?.alg]).toEqual(['RS256', 'ES384'])
})

describe('a PEM of several blocks', () => {
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const sec1 = ec.privateKey.export({ format: 'pem', type: 'sec1' }).toString()
  const spki = ec.publicKey.export({ format: 'pem', type: 'spki' }).toString()
  const other = rsa.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
  // What `openssl ecparam -genkey` writes first.
  const parameters = '-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n'
  const attributes = 'Bag Attributes\n    friendlyName: mine\nKey Attributes: <No Attributes>\n'

  test.each<{ what: string; text: string; read: [alg: string, isPrivate: boolean][] }>([
    { what: 'parameters before the key', text: parameters + sec1, read: [['ES256', true]] },
    { what: 'attributes before the key', text: attributes + sec1, read: [['ES256', true]] },
    { what: 'a certificate before its key', text: TEST_CERTIFICATE + TEST_KEY, read: [['ES256', true]] },
    { what: 'a certificate after its key', text: TEST_KEY + TEST_CERTIFICATE, read: [['ES256', true]] },
    {
      what: 'several keys',
      text: [spki, other, sec1].join('\n'),
      read: [
        ['ES256', true],
        ['RS256', true],
      ],
    },
    {
      what: 'a public key beside the private one of another',
      text: other + spki,
      read: [
        ['RS256', true],
        ['ES256', false],
      ],
    },
  ])('is read whole: $what', async ({ text, read }) => {
    const keys = await parseKeys(text, 'x')
    expect(keys.map(({ alg, privateKey }) => [alg, privateKey !== undefined])).toEqual(read)
  })

  test.each([
    { what: 'one of which is cut off', text: `${sec1}-----BEGIN PRIVATE KEY-----\nMIGH` },
    { what: 'one of which is damaged', text: sec1 + other.replaceAll('M', 'N') },
    { what: 'without a key', text: parameters },
  ])('is refused whole: $what', async ({ text }) => {
    await expect(parseKeys(text, 'x')).rejects.toMatchObject({
      code: 'key_malformed',
      message: 'x holds no key that can be read',
    })
  })
})

test('the example of RFC 7638 has the thumbprint that stands there', async () => {
  const n =
    '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw'
  const [key] = await parseKeys(JSON.stringify({ kty: 'RSA', n, e: 'AQAB' }), 'x')
  expect(key?.kid).toBe('NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs')
})

describe('what is no key for tokens', () => {
  const ec = () => generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const jwkOf = () => ec().privateKey.export({ format: 'jwk' })
  const weak = () => generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })
  const encrypted = () =>
    ec().privateKey.export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'x' })

  test.each<{ why: string; text: () => unknown; says: string }>([
    { why: 'nothing', text: () => '', says: 'is no PEM, JWK or JWK Set' },
    { why: 'a token', text: () => 'eyJhbGciOiJub25lIn0.e30.', says: 'is no PEM, JWK or JWK Set' },
    { why: 'a list', text: () => '[]', says: 'is no PEM, JWK or JWK Set' },
    { why: 'an empty set', text: () => ({ keys: [] }), says: 'holds no key' },
    { why: 'a set of something else', text: () => ({ keys: [7] }), says: 'holds something that is no JWK' },
    { why: 'a secret', text: () => ({ kty: 'oct', k: 'c2VjcmV0' }), says: 'holds a symmetric key' },
    {
      why: 'a JWK without its parts',
      text: () => ({ kty: 'EC', crv: 'P-256' }),
      says: 'no key that can be read',
    },
    { why: 'half a PEM', text: () => '-----BEGIN PRIVATE KEY-----\nMIGH', says: 'no key that can be read' },
    { why: 'an encrypted PEM', text: encrypted, says: 'is encrypted' },
    { why: 'a key for encryption', text: () => ({ ...jwkOf(), use: 'enc' }), says: 'holds a key for "enc"' },
    { why: 'a short RSA key', text: weak, says: 'is an RSA key of 1024 bits' },
    { why: 'an algorithm of another kind', text: () => ({ ...jwkOf(), alg: 'RS256' }), says: 'says "RS256"' },
    {
      why: 'a curve that signs no token',
      text: () => generateKeyPairSync('x25519').publicKey.export({ format: 'jwk' }),
      says: 'signs no token (X25519)',
    },
    {
      why: 'an RSA key that is bound to PSS',
      text: () =>
        generateKeyPairSync('rsa-pss', { modulusLength: 2048 }).privateKey.export({
          format: 'pem',
          type: 'pkcs8',
        }),
      says: 'is of a kind that signs no token (rsa-pss)',
    },
    {
      why: 'the private part of another key',
      text: () => ({ ...jwkOf(), d: jwkOf().d }),
      says: 'x ',
    },
  ])('is refused, and never repeated: $why', async ({ text, says }) => {
    const value = text()
    const written = typeof value === 'string' ? value : JSON.stringify(value)
    const refusal = await parseKeys(written, 'x').catch((error) => error)
    expect(refusal).toMatchObject({ code: 'key_malformed', message: expect.stringContaining(says) })
    const secret = (value as { d?: string }).d
    if (secret !== undefined) expect(`${refusal.message}${refusal.hint}`).not.toContain(secret)
  })
})
