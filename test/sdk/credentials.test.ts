import { createPublicKey, generateKeyPairSync, type KeyObject, verify } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, test, vi } from 'vitest'
import type { ClientCredentials } from '../../src/sdk/credentials.js'
import { readCredentialsFile } from '../../src/sdk/credentials-file.js'
import {
  jsonResponse,
  oauthError,
  STUB_CLIENT_ID,
  STUB_URL,
  type StubRequest,
} from '../support/stub-authsec.js'
import { createStubbedClient } from '../support/stub-client.js'

const request = { audience: 'https://billing.example', permissions: ['billing:read'] }
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const ecJwk = { ...ec.privateKey.export({ format: 'jwk' }), kid: 'k1', use: 'sig', alg: 'ES256' }

const jwkOf = (key: KeyObject, more: object = {}) => ({ ...key.export({ format: 'jwk' }), ...more })
const pemOf = (key: KeyObject) => key.export({ format: 'pem', type: 'pkcs8' }).toString()

function readJwt(jwt: string): { header: Record<string, unknown>; claims: Record<string, unknown> } {
  const [header, claims] = jwt
    .split('.')
    .map((part, index) => (index < 2 ? JSON.parse(Buffer.from(part, 'base64url').toString()) : part))
  return { header, claims }
}

function find(requests: readonly StubRequest[], endpoint: string): StubRequest {
  return requests.find((sent) => sent.endpoint === endpoint) as StubRequest
}

describe('a client with a secret', () => {
  test('shows it as HTTP Basic with the pull and the exchange, and nowhere else', async () => {
    const { authsec, stub } = createStubbedClient({ credentials: { clientSecret: 'se:cret+/ä' } })
    await authsec.getDelegationToken(request)
    const basic = `Basic ${btoa(`${STUB_CLIENT_ID}:se%3Acret%2B%2F%C3%A4`)}`
    expect(stub.requests.map(({ endpoint, headers }) => [endpoint, headers.get('authorization')])).toEqual([
      ['metadata', null],
      ['pull', basic],
      ['exchange', basic],
    ])
    const pull = find(stub.requests, 'pull')
    expect([pull.url.includes('?'), pull.form.get('client_id')]).toEqual([false, STUB_CLIENT_ID])
  })

  test('shows it in the form where it is registered so', async () => {
    const credentials = { clientSecret: 'secret', method: 'client_secret_post' } as const
    const { authsec, stub } = createStubbedClient({ credentials })
    await authsec.getDelegationToken(request)
    for (const endpoint of ['pull', 'exchange']) {
      const { form, headers } = find(stub.requests, endpoint)
      expect([form.get('client_secret'), headers.get('authorization')]).toEqual(['secret', null])
    }
  })
})

describe('a client with a private key', () => {
  test('signs who it is, for this server and one request', async () => {
    const { authsec, stub, clock } = createStubbedClient({ credentials: { privateKeyJwt: ecJwk } })
    await authsec.getDelegationToken(request)
    const assertions = ['pull', 'exchange'].map((endpoint) => {
      const { form } = find(stub.requests, endpoint)
      expect(form.get('client_assertion_type')).toBe('urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
      return readJwt(form.get('client_assertion') ?? '')
    })
    const now = Math.floor(clock.wall() / 1000)
    for (const { header, claims } of assertions) {
      expect(header).toEqual({ alg: 'ES256', typ: 'JWT', kid: 'k1' })
      expect(claims).toEqual({
        iss: STUB_CLIENT_ID,
        sub: STUB_CLIENT_ID,
        aud: STUB_URL,
        iat: now,
        exp: now + 60,
        jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
      })
    }
    expect(assertions[0]?.claims['jti']).not.toBe(assertions[1]?.claims['jti'])
  })

  test('signs anew for each attempt, because an assertion is good for one', async () => {
    const { authsec, stub, clock } = createStubbedClient({ credentials: { privateKeyJwt: ecJwk } })
    await authsec.getDelegationToken()
    stub.script('exchange', () => jsonResponse(503, {}))
    const asked = authsec.getDelegationToken(request)
    // Signing is real work, which the fake clock knows nothing of: time stands still until it is done.
    await vi.waitFor(() => expect(stub.count('exchange')).toBe(1), { timeout: 60_000 })
    await clock.advance(100)
    await asked
    expect(stub.count('exchange')).toBe(2)
    const [first, second] = stub.requests
      .filter(({ endpoint }) => endpoint === 'exchange')
      .map(({ form }) => form.get('client_assertion'))
    expect(first).not.toBe(second)
    expect(first).toMatch(/^eyJ/)
  })

  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const p384 = generateKeyPairSync('ec', { namedCurve: 'P-384' })
  const ed = generateKeyPairSync('ed25519')

  test.each<{ why: string; key: unknown; alg: string; publicKey: KeyObject }>([
    { why: 'an EC key as PEM', key: pemOf(ec.privateKey), alg: 'ES256', publicKey: ec.publicKey },
    { why: 'an EC key as JSON text', key: JSON.stringify(ecJwk), alg: 'ES256', publicKey: ec.publicKey },
    { why: 'a set of one key', key: { keys: [ecJwk] }, alg: 'ES256', publicKey: ec.publicKey },
    { why: 'a larger EC key', key: jwkOf(p384.privateKey), alg: 'ES384', publicKey: p384.publicKey },
    { why: 'a larger EC key as PEM', key: pemOf(p384.privateKey), alg: 'ES384', publicKey: p384.publicKey },
    { why: 'an RSA key', key: jwkOf(rsa.privateKey), alg: 'RS256', publicKey: rsa.publicKey },
    { why: 'an RSA key as PEM', key: pemOf(rsa.privateKey), alg: 'RS256', publicKey: rsa.publicKey },
    {
      why: 'an RSA key for PSS',
      key: jwkOf(rsa.privateKey, { alg: 'PS256' }),
      alg: 'PS256',
      publicKey: rsa.publicKey,
    },
    { why: 'an Ed25519 key', key: jwkOf(ed.privateKey), alg: 'EdDSA', publicKey: ed.publicKey },
    { why: 'an Ed25519 key as PEM', key: pemOf(ed.privateKey), alg: 'EdDSA', publicKey: ed.publicKey },
  ])('signs with $why', async ({ key, alg, publicKey }) => {
    const { authsec, stub } = createStubbedClient({ credentials: { privateKeyJwt: key as never } })
    await authsec.getDelegationToken()
    const jwt = find(stub.requests, 'pull').form.get('client_assertion') ?? ''
    expect(readJwt(jwt).header['alg']).toBe(alg)
    expect(hasSignature(jwt, alg, publicKey)).toBe(true)
  })

  test('signs with a key of the platform that can never be read', async () => {
    const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, false, [
      'sign',
      'verify',
    ])
    const { authsec, stub } = createStubbedClient({ credentials: { privateKeyJwt: pair.privateKey } })
    await authsec.getDelegationToken()
    const jwt = find(stub.requests, 'pull').form.get('client_assertion') ?? ''
    const jwk = await crypto.subtle.exportKey('jwk', pair.publicKey)
    expect(hasSignature(jwt, 'ES256', createPublicKey({ key: jwk as never, format: 'jwk' }))).toBe(true)
    expect(() => createStubbedClient({ credentials: { privateKeyJwt: pair.publicKey } })).toThrow(
      /may not sign/,
    )
  })
})

describe('a client with a proof of its own', () => {
  test('is asked for it with each request, and told for whom', async () => {
    const asked: object[] = []
    const { authsec, stub } = createStubbedClient({
      credentials: {
        async custom(about) {
          asked.push(about)
          return { headers: { 'oauth-client-attestation': 'a' }, form: { proof: String(asked.length) } }
        },
      },
    })
    await authsec.getDelegationToken(request)
    expect(asked).toEqual([1, 2].map(() => ({ audience: STUB_URL, clientId: STUB_CLIENT_ID })))
    expect(find(stub.requests, 'exchange').form.get('proof')).toBe('2')
    expect(find(stub.requests, 'pull').headers.get('oauth-client-attestation')).toBe('a')
  })

  test('gets its own mistakes back, as such', async () => {
    const cause = new Error('the vault is sealed')
    const custom = () => Promise.reject(cause)
    const { authsec } = createStubbedClient({ credentials: { custom } })
    for (let index = 0; index < 6; index++) {
      await expect(authsec.getDelegationToken()).rejects.toMatchObject({ code: 'configuration', cause })
    }
  })
})

describe('credentials', () => {
  const secret = 'hunter2-hunter2'
  test.each<{ why: string; credentials: unknown }>([
    { why: 'a text', credentials: secret },
    { why: 'null', credentials: null },
    { why: 'nothing known', credentials: { password: secret } },
    { why: 'an empty secret', credentials: { clientSecret: '' } },
    { why: 'an unknown method', credentials: { clientSecret: secret, method: 'none' } },
    { why: 'a proof that is no function', credentials: { custom: secret } },
    { why: 'a misspelt method', credentials: { clientSecret: secret, methd: 'client_secret_post' } },
    { why: 'a secret and a key', credentials: { clientSecret: secret, privateKeyJwt: ecJwk } },
    { why: 'a key and something else', credentials: { privateKeyJwt: ecJwk, method: secret } },
    { why: 'a proof and a secret', credentials: { custom: async () => ({}), clientSecret: secret } },
    { why: 'a key that is none', credentials: { privateKeyJwt: secret } },
    { why: 'a public key', credentials: { privateKeyJwt: jwkOf(ec.publicKey) } },
    {
      why: 'a public key as PEM',
      credentials: { privateKeyJwt: ec.publicKey.export({ format: 'pem', type: 'spki' }) },
    },
    { why: 'a symmetric key', credentials: { privateKeyJwt: { kty: 'oct', k: secret } } },
  ])('are refused when the client is made: $why', ({ credentials }) => {
    const make = () => createStubbedClient({ credentials: credentials as ClientCredentials })
    expect(make).toThrow(expect.objectContaining({ code: 'configuration' }))
    expect(make).not.toThrow(/hunter2/)
  })

  const p521 = generateKeyPairSync('ec', { namedCurve: 'P-521' })
  test.each<{ why: string; key: unknown }>([
    { why: 'half of it is another key', key: { ...ecJwk, x: 'AAAA' } },
    { why: 'it is for another algorithm', key: { ...ecJwk, alg: 'ES512' } },
    { why: 'its curve is for something else', key: jwkOf(p521.privateKey) },
    { why: 'its PEM is cut', key: pemOf(ec.privateKey).replace(/.{3}\n-----END/, '\n-----END') },
    { why: 'its curve, in PEM, is for something else', key: pemOf(p521.privateKey) },
  ])(
    'whose key cannot sign are refused when it is used, and nothing of it is repeated: $why',
    async ({ key }) => {
      const { authsec } = createStubbedClient({ credentials: { privateKeyJwt: key as never } })
      const error = await authsec.getDelegationToken().catch((caught: unknown) => caught)
      expect(error).toMatchObject({ code: 'configuration', hint: expect.stringContaining('PKCS #8') })
      expect(inspect(error, { depth: null })).not.toContain(ecJwk.d)
    },
  )

  test('that the server does not take are an invalid_client', async () => {
    const { authsec, stub } = createStubbedClient({ credentials: { clientSecret: secret } })
    stub.script('pull', () => oauthError(401, 'invalid_client', 'the client secret is wrong'))
    const error = await authsec.getDelegationToken().catch((caught: unknown) => caught)
    expect(error).toMatchObject({ code: 'invalid_client', action: 'fix_config' })
    expect(inspect([error, authsec], { depth: null, showHidden: true })).not.toContain(secret)
  })
})

describe('readCredentialsFile', () => {
  const files: Record<string, string> = { '/run/key.pem': pemOf(ec.privateKey), '/run/secret': 'secret\n' }
  const read = (environment: Record<string, string>) =>
    readCredentialsFile({
      environment,
      readFile(path) {
        const text = files[path]
        if (text === undefined) throw Object.assign(new Error(path), { code: 'ENOENT' })
        return text
      },
    })

  test('finds nothing where the environment names no file', () => {
    expect(read({})).toBeUndefined()
    expect(read({ AUTHSEC_CLIENT_KEY_FILE: '' })).toBeUndefined()
  })

  test('reads the key, or the secret without the end of its line', () => {
    expect(read({ AUTHSEC_CLIENT_KEY_FILE: '/run/key.pem' })).toEqual({
      privateKeyJwt: files['/run/key.pem'],
    })
    expect(read({ AUTHSEC_CLIENT_SECRET_FILE: '/run/secret' })).toEqual({ clientSecret: 'secret' })
  })

  test.each([
    {
      why: 'both',
      environment: { AUTHSEC_CLIENT_KEY_FILE: 'a', AUTHSEC_CLIENT_SECRET_FILE: 'b' },
      says: /both set/,
    },
    {
      why: 'a file that is not there',
      environment: { AUTHSEC_CLIENT_KEY_FILE: '/run/none' },
      says: /AUTHSEC_CLIENT_KEY_FILE names "\/run\/none", which cannot be read \(ENOENT\)/,
    },
  ])('refuses $why', ({ environment, says }) => {
    expect(() => read(environment as Record<string, string>)).toThrow(says)
  })
})

function hasSignature(jwt: string, alg: string, key: KeyObject): boolean {
  const [header, claims, signature = ''] = jwt.split('.')
  const digest = { ES256: 'sha256', ES384: 'sha384', RS256: 'sha256', PS256: 'sha256' }[alg] ?? null
  const pss = alg === 'PS256' ? { padding: 6, saltLength: 32 } : {}
  const input = { key, dsaEncoding: 'ieee-p1363' as const, ...pss }
  return verify(digest, Buffer.from(`${header}.${claims}`), input, Buffer.from(signature, 'base64url'))
}
