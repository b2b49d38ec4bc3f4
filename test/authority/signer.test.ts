import { createSecretKey, generateKeyPairSync } from 'node:crypto'
import { compactVerify, decodeProtectedHeader, SignJWT } from 'jose'
import { describe, expect, test } from 'vitest'
import {
  hashSigningInput,
  hasValidSignature,
  type SigningKey,
  signJwt,
  signToken,
} from '../../src/authority/signer.js'
import { MAX_JWT_LENGTH, parseJwt } from '../../src/core/jwt.js'
import { attempt } from '../support/authority-bench.js'

const secret = createSecretKey(Buffer.alloc(32, 5))
const KEYS: Record<string, SigningKey> = {
  ES256: { kid: 'e', alg: 'ES256', ...generateKeyPairSync('ec', { namedCurve: 'P-256' }) },
  RS256: { kid: 'r', alg: 'RS256', ...generateKeyPairSync('rsa', { modulusLength: 2048 }) },
  HS256: { kid: 'h', alg: 'HS256', privateKey: secret, publicKey: secret },
}
const ALGORITHMS = ['ES256', 'RS256', 'HS256']
const CLAIMS = { sub: 'someone', text: 'é 😀', exp: 1 }

describe.each(ALGORITHMS)('%s', (alg) => {
  const key = KEYS[alg] as SigningKey
  const { token, tokenHash } = signJwt(key, { typ: 'at+jwt', kid: key.kid }, CLAIMS)

  test('is verified by another implementation', async () => {
    const { payload, protectedHeader } = await compactVerify(token, key.publicKey, { algorithms: [alg] })
    expect(protectedHeader).toEqual({ alg, typ: 'at+jwt', kid: key.kid })
    expect(JSON.parse(new TextDecoder().decode(payload))).toEqual(CLAIMS)
  })

  test('verifies what another implementation has signed', async () => {
    const foreign = await new SignJWT(CLAIMS).setProtectedHeader({ alg, typ: 'JWT' }).sign(key.privateKey)
    expect(hasValidSignature(key, parseJwt(foreign))).toBe(true)
  })

  test('refuses every flipped byte of the signature', () => {
    const parsed = parseJwt(token)
    const accepted = Array.from(parsed.signature, (_, index) => {
      const signature = Uint8Array.from(parsed.signature)
      signature[index] = (signature[index] as number) ^ 1
      return hasValidSignature(key, { ...parsed, signature })
    })
    expect(accepted.length).toBeGreaterThanOrEqual(32)
    expect(accepted).not.toContain(true)
  })

  test.each([
    { what: 'cut short', alter: (bytes: Uint8Array) => bytes.slice(0, -1) },
    { what: 'longer', alter: (bytes: Uint8Array) => Uint8Array.of(...bytes, 0) },
    { what: 'one byte', alter: () => Uint8Array.of(0) },
    { what: 'all zeros', alter: (bytes: Uint8Array) => new Uint8Array(bytes.length) },
  ])('refuses a signature that is $what, without an exception', ({ alter }) => {
    const parsed = parseJwt(token)
    expect(hasValidSignature(key, { ...parsed, signature: alter(parsed.signature) })).toBe(false)
  })

  test('refuses altered claims', () => {
    const parsed = parseJwt(token)
    const [header] = token.split('.')
    const claims = Buffer.from(JSON.stringify({ ...CLAIMS, sub: 'admin' })).toString('base64url')
    expect(hasValidSignature(key, { ...parsed, signingInput: `${header}.${claims}` })).toBe(false)
  })

  test.each(['none', 'NONE', 'ES384', ...ALGORITHMS.filter((other) => other !== alg)])(
    'refuses a header that names %s',
    (other) => {
      const altered = signJwt(key, { alg: other }, CLAIMS)
      expect(decodeProtectedHeader(altered.token).alg).toBe(other)
      expect(hasValidSignature(key, parseJwt(altered.token))).toBe(false)
    },
  )

  test('is known to the log by what is signed', () => {
    expect(tokenHash).toBe(hashSigningInput(token.slice(0, token.lastIndexOf('.'))))
    expect(tokenHash).toMatch(/^[\w-]{43}$/)
  })
})

test('a public key is no secret: what is signed with it as HS256 is refused', () => {
  const rsa = KEYS['RS256'] as SigningKey
  const pem = createSecretKey(Buffer.from(rsa.publicKey.export({ format: 'pem', type: 'spki' })))
  const { token } = signJwt({ kid: 'r', alg: 'HS256', privateKey: pem, publicKey: pem }, {}, CLAIMS)
  expect(hasValidSignature(rsa, parseJwt(token))).toBe(false)
})

describe('nothing is signed that nobody reads', () => {
  test('but everything up to the length that everybody reads', () => {
    const key = KEYS['HS256'] as SigningKey
    const sign = (length: number) => signJwt(key, { typ: 'JWT' }, { text: 'a'.repeat(length) }).token
    let length = 5_900
    while (attempt(() => sign(length)) === 'well') length++
    expect(() => sign(length)).toThrow('more than 8192')
    const longest = sign(length - 1)
    expect(longest.length).toBeGreaterThan(MAX_JWT_LENGTH - 3)
    expect(parseJwt(longest).claims).toEqual({ text: 'a'.repeat(length - 1) })
  })

  test.each([
    { most: 'permissions', code: 'invalid_scope', claims: { permissions: ['a:b'.repeat(3_000)], aud: 'x' } },
    { most: 'audiences', code: 'invalid_target', claims: { aud: ['a'.repeat(9_000)], scope: 'a:b' } },
    { most: 'something else', code: 'invalid_request', claims: { text: 'a'.repeat(9_000), aud: 'x' } },
  ])('beyond it the refusal is after what takes most room: $most', async ({ code, claims }) => {
    for (const { kid, alg } of Object.values(KEYS)) {
      const signer = { ...(KEYS[alg] as SigningKey), kid }
      const refusal = await signToken(signer, { typ: 'at+jwt' }, claims).catch((error) => error)
      expect(refusal).toMatchObject({ code, message: expect.stringMatching(/would have \d+ characters/) })
    }
  })
})
