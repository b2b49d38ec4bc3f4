import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { Json } from '../../src/core/strict-json.js'
import { parseKeySet, selectKey } from '../../src/verify/jwk.js'
import { BASE_KEY, CALL_KEY, createKey } from '../support/token-issuer.js'

const parse = (...keys: object[]) => parseKeySet({ keys: keys as Json[] }, 'https://authsec.example')
const { alg: _, ...rsaForAll } = BASE_KEY.jwk
const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' }).publicKey.export({ format: 'jwk' })
const toBase64url = (...bytes: Uint8Array[]) => Buffer.concat(bytes).toString('base64url')

describe('a key set', () => {
  test.each([
    { what: 'EC', jwk: CALL_KEY.jwk, id: 'call-key', algorithms: ['ES256'] },
    { what: 'EC on another curve', jwk: { ...p521, kid: 'p521' }, id: 'p521', algorithms: ['ES512'] },
    { what: 'RSA for one algorithm', jwk: BASE_KEY.jwk, id: 'default', algorithms: ['RS256'] },
    {
      what: 'RSA for whatever RSA can do',
      jwk: rsaForAll,
      id: 'default',
      algorithms: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
    },
    {
      what: 'a key without id',
      jwk: { ...CALL_KEY.jwk, kid: undefined },
      id: undefined,
      algorithms: ['ES256'],
    },
    {
      what: 'a key for verification',
      jwk: { ...CALL_KEY.jwk, use: undefined, key_ops: ['verify'] },
      id: 'call-key',
      algorithms: ['ES256'],
    },
  ])('holds $what', ({ jwk, id, algorithms }) => {
    expect(parse(jwk)).toMatchObject([{ id, algorithms }])
  })

  test.each([
    { why: 'encrypts', jwk: { ...BASE_KEY.jwk, use: 'enc' } },
    { why: 'only signs', jwk: { ...CALL_KEY.jwk, key_ops: ['sign'] } },
    { why: 'has a private half', jwk: { ...CALL_KEY.jwk, d: 'AAAA' } },
    { why: 'is a secret', jwk: { kty: 'oct', k: 'AAAA', kid: 'call-key', alg: 'HS256' } },
    { why: 'claims an algorithm of another kind', jwk: { ...CALL_KEY.jwk, alg: 'RS256' } },
    { why: 'claims HS256', jwk: { ...CALL_KEY.jwk, alg: 'HS256' } },
    { why: 'is on a curve that is not allowed', jwk: { ...CALL_KEY.jwk, crv: 'secp256k1' } },
    { why: 'is on a curve of another algorithm', jwk: { ...p521, kid: 'call-key', alg: 'ES256' } },
    { why: 'lies off its curve', jwk: { ...CALL_KEY.jwk, x: CALL_KEY.jwk.y } },
    { why: 'lacks half of its point', jwk: { ...CALL_KEY.jwk, y: undefined } },
    { why: 'is RSA below 2048 bits', jwk: createKey('RS256', {}, 1024).jwk },
    {
      why: 'is RSA below 2048 bits and made longer by zeros',
      jwk: { ...BASE_KEY.jwk, n: toBase64url(new Uint8Array(3), new Uint8Array(255).fill(255)) },
    },
    { why: 'is RSA of nothing but zeros', jwk: { ...BASE_KEY.jwk, n: toBase64url(new Uint8Array(256)) } },
    { why: 'has a modulus with padding', jwk: { ...BASE_KEY.jwk, n: `${BASE_KEY.jwk.n}==` } },
    { why: 'is RSA without modulus', jwk: { ...BASE_KEY.jwk, n: undefined } },
    { why: 'has a modulus that is a number', jwk: { ...BASE_KEY.jwk, n: 5 } },
    { why: 'has an id that is a number', jwk: { ...CALL_KEY.jwk, kid: 7 } },
    { why: 'is of an unknown kind', jwk: { kty: 'LMS', kid: 'call-key' } },
    { why: 'is of no kind', jwk: {} },
  ])('passes over a key that $why', ({ jwk }) => {
    expect(parse(jwk, BASE_KEY.jwk)).toMatchObject([{ id: 'default' }])
  })

  test.each([{ keys: null }, { keys: {} }, { keys: 'AAAA' }, {}])('is not %j', (document) => {
    expect(() => parseKeySet(document as { keys: Json }, 'https://authsec.example')).toThrow(
      expect.objectContaining({
        code: 'server_error',
        message: 'the answer of https://authsec.example is no key set',
      }),
    )
  })

  test('has 100 keys at most', () => {
    expect(parse(...Array(100).fill(CALL_KEY.jwk))).toHaveLength(100)
    expect(() => parse(...Array(101).fill(CALL_KEY.jwk))).toThrow('101 keys, more than 100')
  })

  test('passes over what is no key at all', () => {
    expect(parseKeySet({ keys: [null, 'key', 7, []] }, 'https://authsec.example')).toEqual([])
  })
})

describe('the key of a token', () => {
  const keys = parse(CALL_KEY.jwk, BASE_KEY.jwk)

  test.each([
    { what: 'by id', keys, id: 'call-key', algorithm: 'ES256', found: 'call-key' },
    { what: 'with an unknown id', keys, id: 'other', algorithm: 'ES256', found: undefined },
    { what: 'with the algorithm of another key', keys, id: 'call-key', algorithm: 'RS256', found: undefined },
    { what: 'without id, of two', keys, id: undefined, algorithm: 'RS256', found: undefined },
    {
      what: 'without id, of one',
      keys: parse(BASE_KEY.jwk),
      id: undefined,
      algorithm: 'RS256',
      found: 'default',
    },
    {
      what: 'without id, of one for another algorithm',
      keys: parse(CALL_KEY.jwk),
      id: undefined,
      algorithm: 'RS256',
      found: undefined,
    },
    { what: 'without id, of none', keys: [], id: undefined, algorithm: 'RS256', found: undefined },
  ] as const)('$what', ({ keys, id, algorithm, found }) => {
    expect(selectKey(keys, { id, algorithm })?.id).toBe(found)
  })
})
