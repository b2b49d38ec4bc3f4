import crypto, { generateKeyPairSync } from 'node:crypto'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createVerifier, type Expectation, type VerifierOptions } from '../../src/verify/index.js'
import { createTokenCache } from '../../src/verify/token-cache.js'
import { settle } from '../support/fake-clock.js'
import { stubServer } from '../support/stub-server.js'
import {
  BILLING,
  CALL_KEY,
  createKey,
  ISSUED_AT,
  ISSUER,
  issuerRoutes,
  signBound,
  signCall,
} from '../support/token-issuer.js'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const JWKS = 'GET /oauth/jwks'

describe('the cache', () => {
  function openCache(entries = 3) {
    let now = ISSUED_AT
    const cache = createTokenCache<number>({ entries, seconds: 60, clock: () => now })
    return {
      cache,
      pass: (ms: number) => {
        now += ms
      },
    }
  }

  test('keeps a value for a minute, and not longer than the token lives', () => {
    const { cache, pass } = openCache()
    cache.store('long', 1, ISSUED_AT + 300 * SECOND)
    cache.store('short', 2, ISSUED_AT + 10 * SECOND)
    pass(10 * SECOND - 1)
    expect([cache.find('long'), cache.find('short')]).toEqual([1, 2])
    pass(1)
    expect([cache.find('long'), cache.find('short')]).toEqual([1, undefined])
    pass(50 * SECOND)
    expect(cache.find('long')).toBeUndefined()
  })

  test('gives up what was used longest ago', () => {
    const { cache } = openCache()
    const expiresAt = ISSUED_AT + 60 * SECOND
    for (const [index, token] of ['a', 'b', 'c'].entries()) cache.store(token, index, expiresAt)
    cache.find('a')
    cache.store('d', 3, expiresAt)
    expect(['a', 'b', 'c', 'd'].map((token) => cache.find(token))).toEqual([0, undefined, 2, 3])
  })

  test('keeps nothing whose age nobody knows because the clock was set back', () => {
    const { cache, pass } = openCache()
    cache.store('a', 1, ISSUED_AT + 60 * SECOND)
    pass(-1)
    expect(cache.find('a')).toBeUndefined()
  })
})

describe('a verifier with its cache', () => {
  /** A verifier of a stub server; how many signatures it has checked shows by the keys that it was made to look for. */
  function openVerifier(
    options: Partial<VerifierOptions> = {},
    served: object[] = [{ keys: [CALL_KEY.jwk] }],
  ) {
    const time = { now: ISSUED_AT }
    const server = stubServer({ ...issuerRoutes(), [JWKS]: served })
    const verifier = createVerifier({
      serverUrl: ISSUER,
      audience: BILLING,
      fetch: server.fetch,
      clock: () => time.now,
      ...options,
    })
    return { verifier, time, server }
  }

  test('says the same of a token that it has seen', async () => {
    const { verifier } = openVerifier()
    const token = signCall()
    const first = await verifier.verify(token)
    expect(await verifier.verify(token)).toEqual(first)
    expect(verifier.verifySync(token)).toEqual(first)
  })

  test('lets nobody change what the next request is told', async () => {
    const { verifier } = openVerifier()
    const token = signCall()
    const { permissions, claims, chain } = await verifier.verify(token)
    ;(permissions as Set<string>).add('billing:refund')
    ;(chain as unknown[]).length = 0
    expect(() => Object.assign(claims, { sub: 'bob' })).toThrow(TypeError)
    expect(() => (claims.permissions as string[]).push('billing:refund')).toThrow(TypeError)
    const again = await verifier.verify(token)
    expect([...again.permissions]).toEqual(['billing:read', 'profile:read'])
    expect(again.chain).toHaveLength(1)
    await expect(verifier.verify(token, { permissions: ['billing:refund'] })).rejects.toMatchObject({
      code: 'permission_missing',
    })
  })

  test('checks again what the route demands', async () => {
    const { verifier } = openVerifier()
    const token = signBound({ amount: '1' })
    const call = (amount: string): Expectation => ({ tool: 'refund', call: { amount } })
    await verifier.verify(token, call('1'))
    const refusals: [Expectation, string][] = [
      [call('2'), 'call_mismatch'],
      [{ tool: 'read' }, 'tool_mismatch'],
      [{ ...call('1'), permissions: ['orders:read'] }, 'permission_missing'],
      [{}, 'unhandled_binding'],
    ]
    for (const [expected, code] of refusals) {
      await expect(verifier.verify(token, expected)).rejects.toMatchObject({ code })
      expect(() => verifier.verifySync(token, expected)).toThrow(expect.objectContaining({ code }))
    }
  })

  test.each([
    { what: 'expires', now: ISSUED_AT + 65 * SECOND, code: 'token_expired' },
    {
      what: 'has not begun by a clock that was set back',
      now: ISSUED_AT - 6 * SECOND,
      code: 'token_not_yet_valid',
    },
  ])('refuses a token that it has seen once it $what', async ({ now, code }) => {
    const { verifier, time } = openVerifier()
    const token = signCall()
    await verifier.verify(token)
    time.now = now
    await expect(verifier.verify(token)).rejects.toMatchObject({ code })
    expect(() => verifier.verifySync(token)).toThrow(expect.objectContaining({ code }))
  })

  test.each(['verify', 'verifySync'] as const)(
    'refuses a token that %s has accepted once its key is no longer published',
    async (method) => {
      const served = [{ keys: [CALL_KEY.jwk] }, { keys: [createKey('ES256', { kid: 'next' }).jwk] }]
      const { verifier, time } = openVerifier({}, served)
      const token = signCall({ exp: ISSUED_AT / SECOND + 300 })
      await verifier.warm()
      // The keys are due for renewal, and the token has just been issued.
      time.now += 8 * MINUTE + 1
      const late = signCall({ iat: time.now / SECOND, nbf: time.now / SECOND, exp: time.now / SECOND + 300 })
      expect(await verifier[method](late)).toMatchObject({ user: { id: 'alice' } })
      await settle()
      await expect((async () => verifier[method](late))()).rejects.toMatchObject({
        code: 'signature_invalid',
      })
      await expect((async () => verifier[method](token))()).rejects.toMatchObject({ code: 'token_expired' })
    },
  )

  test('refuses a token whose key id has come to mean another key', async () => {
    const served = [{ keys: [CALL_KEY.jwk] }, { keys: [createKey('ES256', { kid: 'call-key' }).jwk] }]
    const { verifier, time } = openVerifier({}, served)
    await verifier.warm()
    time.now += 8 * MINUTE + 1
    const late = signCall({ iat: time.now / SECOND, nbf: time.now / SECOND, exp: time.now / SECOND + 300 })
    await verifier.verify(late)
    await settle()
    await expect(verifier.verify(late)).rejects.toMatchObject({ code: 'signature_invalid' })
  })

  test('remembers no refusal', async () => {
    const served = [{ keys: [createKey('ES256', { kid: 'other' }).jwk] }, { keys: [CALL_KEY.jwk] }]
    const { verifier, time } = openVerifier({}, served)
    const token = signCall()
    await verifier.warm()
    await expect(verifier.verify(token)).rejects.toMatchObject({ code: 'signature_invalid' })
    time.now += 30 * SECOND
    await expect(verifier.verify(token)).resolves.toMatchObject({ user: { id: 'alice' } })
  })

  test('takes no token for another one that differs in its signature only', async () => {
    const { verifier } = openVerifier()
    const token = signCall()
    await verifier.verify(token)
    const forged = token.slice(0, token.lastIndexOf('.') + 1) + generateSignature()
    await expect(verifier.verify(forged)).rejects.toMatchObject({ code: 'signature_invalid' })
  })
})

// 64 bytes that are a signature of something else by somebody else.
function generateSignature(): string {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { x, y } = publicKey.export({ format: 'jwk' }) as { x: string; y: string }
  return Buffer.concat([Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]).toString('base64url')
}

test('a token that is too long is refused before anything of it is hashed', async () => {
  const { fetch } = stubServer(issuerRoutes())
  const verifier = createVerifier({ serverUrl: ISSUER, audience: BILLING, fetch, clock: () => ISSUED_AT })
  const hash = vi.spyOn(crypto, 'hash')
  onTestFinished(() => hash.mockRestore())
  await verifier.verify(signCall())
  const before = hash.mock.calls.length
  expect(before).toBeGreaterThan(0)
  const refusal = { code: 'token_malformed', message: 'the token has 8193 characters, more than 8192' }
  await expect(verifier.verify('x'.repeat(8193))).rejects.toMatchObject(refusal)
  expect(() => verifier.verifySync('x'.repeat(8193))).toThrow(expect.objectContaining(refusal))
  expect(hash.mock.calls.length).toBe(before)
})
