import { createHash, generateKeyPairSync } from 'node:crypto'
import {
  calculateJwkThumbprint,
  createLocalJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  jwtVerify,
  SignJWT,
} from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GRANTS } from '../../../src/authority/tokens.js'
import {
  BILLING,
  exchangeForm,
  START,
  startTestServer,
  type TestServer,
  UUID,
} from '../../support/running-server.js'
import { formatUnsignedJwt } from '../../support/unsigned-jwt.js'

const STRANGER = '11111111-2222-4333-8444-555555555555'
const NOW = Math.floor(START / 1000)

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.close())

describe('the metadata', () => {
  test('names what there is and nothing else', async () => {
    const reply = await server.call('GET', '/.well-known/oauth-authorization-server')
    const proving = ['client_secret_basic', 'client_secret_post', 'private_key_jwt']
    const algorithms = ['ES256', 'ES384', 'RS256', 'PS256', 'EdDSA', 'Ed25519']
    expect(reply.json).toEqual({
      issuer: server.url,
      token_endpoint: `${server.url}/oauth/token`,
      jwks_uri: `${server.url}/oauth/jwks`,
      registration_endpoint: `${server.url}/oauth/register`,
      introspection_endpoint: `${server.url}/oauth/introspect`,
      revocation_endpoint: `${server.url}/oauth/revoke`,
      response_types_supported: [],
      grant_types_supported: GRANTS.map(({ grantType }) => grantType),
      token_endpoint_auth_methods_supported: ['none', ...proving],
      token_endpoint_auth_signing_alg_values_supported: algorithms,
      introspection_endpoint_auth_methods_supported: proving,
      introspection_endpoint_auth_signing_alg_values_supported: algorithms,
      revocation_endpoint_auth_methods_supported: ['none', ...proving],
      revocation_endpoint_auth_signing_alg_values_supported: algorithms,
      device_authorization_endpoint: `${server.url}/oauth/device_authorization`,
      backchannel_authentication_endpoint: `${server.url}/oauth/bc-authorize`,
      backchannel_token_delivery_modes_supported: ['poll'],
      backchannel_user_code_parameter_supported: false,
      authsec_tenant: server.tenantId,
      authorization_details_types_supported: ['authsec_call'],
      authsec_call_tokens: {
        max_ttl_seconds: 300,
        bindings: ['tool', 'call'],
        one_time: true,
        consume_endpoint: `${server.url}/oauth/consume`,
      },
    })
  })
})

describe('the published keys', () => {
  test('of call tokens hold the public half only, under their thumbprint', async () => {
    const reply = await server.call('GET', '/oauth/jwks')
    expect(reply.headers['cache-control']).toBe('public, max-age=300')
    expect(reply.headers).not.toHaveProperty('pragma')
    const members = ['alg', 'kid', 'kty', 'use']
    // What is prepared comes after what signs.
    expect(reply.json.keys).toHaveLength(6)
    expect(reply.json.keys.slice(0, 3).map((key: object) => Object.keys(key).sort())).toEqual([
      [...members, 'crv', 'x', 'y'].sort(),
      [...members, 'e', 'n'].sort(),
      [...members, 'crv', 'x'].sort(),
    ])
    const algorithms = reply.json.keys.map(({ alg }: { alg: string }) => alg)
    expect(algorithms.slice(0, 3)).toEqual(['ES256', 'RS256', 'EdDSA'])
    expect(algorithms.slice(3).sort()).toEqual(['ES256', 'EdDSA', 'RS256'])
    for (const key of reply.json.keys) {
      expect(key).toMatchObject({ use: 'sig', kid: await calculateJwkThumbprint(key) })
    }
  })

  test.each(['/authsec/spiresvc/v1/jwt/bundle', '/spiresvc/v1/jwt/bundle', '/v1/jwt/bundle'])(
    'of base tokens stand at %s, for a tenant that exists',
    async (path) => {
      const reply = await server.call('GET', `${path}?tenant_id=${server.tenantId.toUpperCase()}`)
      expect(reply.json.keys).toHaveLength(1)
      expect(Object.keys(reply.json.keys[0]).sort()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use'])
      expect(reply.json.keys[0]).toMatchObject({ kty: 'RSA', use: 'sig', alg: 'RS256', kid: 'default' })
      for (const query of ['', '?tenant_id=']) {
        const missing = await server.call('GET', `${path}${query}`)
        expect(missing.status).toBe(400)
        expect(missing.json).toEqual({ error: { code: 'BAD_REQUEST', message: 'tenant_id is required' } })
      }
      const unknown = await server.call('GET', `${path}?tenant_id=${STRANGER}`)
      expect(unknown.status).toBe(404)
      expect(unknown.json).toEqual({ error: { code: 'NOT_FOUND', message: `no tenant "${STRANGER}"` } })
    },
  )

  test('verify what was issued', async () => {
    const base = await server.pull()
    const bundle = (await server.call('GET', `/v1/jwt/bundle?tenant_id=${server.tenantId}`)).json
    const currentDate = new Date(server.now)
    const verified = await jwtVerify(base, createLocalJWKSet(bundle), {
      currentDate,
      audience: 'authsec-api',
    })
    expect(verified.protectedHeader).toEqual({ alg: 'RS256', typ: 'JWT' })
    expect(verified.payload.iss).toBe(`spiffe://${server.tenantId}`)

    const jwks = (await server.call('GET', '/oauth/jwks')).json
    const { access_token } = (await server.exchange()).json
    await jwtVerify(access_token, createLocalJWKSet(jwks), { currentDate, audience: BILLING, typ: 'at+jwt' })
    await expect(jwtVerify(base, createLocalJWKSet(jwks), { currentDate })).rejects.toThrow()
  })
})

describe('a call token', () => {
  test('is answered as RFC 8693 has it, never to be stored', async () => {
    const reply = await server.exchange({ scope: 'billing:read', ttl_seconds: '30', tool: 'get_bill' })
    expect(reply.status).toBe(200)
    expect(reply.headers).toMatchObject({
      'cache-control': 'no-store',
      pragma: 'no-cache',
      'content-type': 'application/json',
    })
    expect(reply.json).toEqual({
      access_token: expect.any(String),
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      token_type: 'Bearer',
      expires_in: 30,
      scope: 'billing:read',
      authsec_audit: expect.stringMatching(UUID),
    })
    const spiffeId = `spiffe://example.org/tenants/${server.tenantId}/agents/langchain/${server.clientId}`
    expect(decodeProtectedHeader(reply.json.access_token)).toEqual({
      alg: 'ES256',
      typ: 'at+jwt',
      kid: expect.any(String),
    })
    expect(decodeJwt(reply.json.access_token)).toEqual({
      iss: server.url,
      sub: server.user.id,
      aud: BILLING,
      iat: NOW,
      nbf: NOW,
      exp: NOW + 30,
      jti: expect.stringMatching(UUID),
      client_id: server.clientId,
      tenant_id: server.tenantId,
      scope: 'billing:read',
      permissions: ['billing:read'],
      act: { sub: spiffeId, client_id: server.clientId },
      authsec_grant: 'standing',
      authsec_delegation: expect.stringMatching(UUID),
      parent_jti: decodeJwt(await server.pull()).jti,
      authsec_audit: reply.json.authsec_audit,
      txn: expect.stringMatching(UUID),
      tool: 'get_bill',
    })
  })

  test('lives a minute, holds what remains and may be asked for with audience', async () => {
    const reply = await server.exchange({ resource: '', audience: BILLING })
    expect(reply.json).toMatchObject({ expires_in: 60, scope: 'billing:read' })
  })

  test('never outlives the token it was made from', async () => {
    const own = await startTestServer()
    const token = await own.pull()
    own.now = (NOW + 86_400 - 20) * 1000
    expect((await own.exchange({ subject_token: token, ttl_seconds: '300' })).json).toMatchObject({
      expires_in: 20,
    })
    await own.close()
  })
})

describe('a token request', () => {
  test.each<{ why: string; fields: Record<string, string>; status?: number; error: string }>([
    { why: 'no client', fields: { client_id: '' }, status: 401, error: 'invalid_client' },
    {
      why: 'a client that is no id',
      fields: { client_id: 'demo-agent' },
      status: 401,
      error: 'invalid_client',
    },
    {
      why: 'a client that nobody registered',
      fields: { client_id: STRANGER },
      status: 401,
      error: 'invalid_client',
    },
    { why: 'no grant type', fields: { grant_type: '' }, error: 'invalid_request' },
    {
      why: 'another grant type',
      fields: { grant_type: 'authorization_code' },
      error: 'unsupported_grant_type',
    },
    { why: 'no subject token', fields: { subject_token: '' }, error: 'invalid_request' },
    { why: 'no type of it', fields: { subject_token_type: '' }, error: 'invalid_request' },
    {
      why: 'another type of it',
      fields: { subject_token_type: 'urn:ietf:params:oauth:token-type:access_token' },
      error: 'invalid_request',
    },
    {
      why: 'another type of answer',
      fields: { requested_token_type: 'urn:ietf:params:oauth:token-type:jwt' },
      error: 'invalid_request',
    },
    { why: 'no API', fields: { resource: '' }, error: 'invalid_target' },
    {
      why: 'an API that nobody registered',
      fields: { resource: 'https://evil.example' },
      error: 'invalid_target',
    },
    { why: 'an API with a slash too many', fields: { resource: `${BILLING}/` }, error: 'invalid_target' },
    { why: 'two APIs', fields: { audience: 'https://orders.example' }, error: 'invalid_target' },
    { why: 'what is no API', fields: { resource: 'billing' }, error: 'invalid_target' },
    { why: 'a permission outside the policy', fields: { scope: 'billing:refund' }, error: 'invalid_scope' },
    { why: 'a permission of another API', fields: { scope: 'orders:read' }, error: 'invalid_scope' },
    {
      why: 'one permission too many',
      fields: { scope: 'billing:read billing:refund' },
      error: 'invalid_scope',
    },
    { why: 'a wildcard', fields: { scope: 'billing:*' }, error: 'invalid_scope' },
    { why: 'another separator', fields: { scope: 'billing:read,orders:read' }, error: 'invalid_scope' },
    { why: 'no time at all', fields: { ttl_seconds: '0' }, error: 'invalid_request' },
    { why: 'too much time', fields: { ttl_seconds: '301' }, error: 'invalid_request' },
    { why: 'time in other digits', fields: { ttl_seconds: '\u0663\u0660' }, error: 'invalid_request' },
    { why: 'an actor', fields: { actor_token: 'x', actor_token_type: 'y' }, error: 'invalid_request' },
    { why: 'a binding', fields: { call: '{}' }, error: 'invalid_request' },
    { why: 'a long tool', fields: { tool: 'x'.repeat(129) }, error: 'invalid_request' },
  ])(
    'for $why is refused as $error, with a record and without an echo',
    async ({ fields, status = 400, error }) => {
      const token = await server.pull()
      const reply = await server.exchange({ subject_token: token, ...fields })
      expect(reply.status).toBe(status)
      expect(Object.keys(reply.json)).toEqual(['error', 'error_description', 'authsec_audit', 'request_id'])
      expect(reply.json).toMatchObject({ error, request_id: reply.headers['x-request-id'] })
      // RFC 6749 §5.2 allows these characters only.
      expect(reply.json.error_description).toMatch(/^[\x20-\x21\x23-\x5b\x5d-\x7e]+$/)
      expect(reply.headers).toMatchObject({
        'cache-control': 'no-store',
        pragma: 'no-cache',
        'content-type': 'application/json',
      })
      expect(reply.text).not.toContain(token.split('.')[2])
      const { events } = (
        await server.call('GET', '/audit/events?filter=type=token.exchanged&last=1', { admin: true })
      ).json
      expect(events[0].event).toMatchObject({ id: reply.json.authsec_audit, outcome: 'deny', reason: error })
    },
  )

  test('with the token of another client is refused', async () => {
    const clients = `/clientms/tenants/${server.tenantId}/clients/create`
    const json = {
      name: 'other',
      email: 'other@authsec.test',
      client_type: 'ai_agent',
      agent_type: 'langchain',
    }
    const { client_id } = (await server.call('POST', clients, { admin: true, json })).json
    expect(await server.exchange({ client_id })).toMatchObject({
      status: 400,
      json: { error: 'invalid_grant' },
    })
  })

  test('for a lifetime in another notation is refused', async () => {
    for (const ttl_seconds of ['1e1', '0x10', '-1', '+30', ' 30', '30.0', 'Infinity', '9'.repeat(30)]) {
      expect(await server.exchange({ ttl_seconds }), ttl_seconds).toMatchObject({
        status: 400,
        json: {
          error: 'invalid_request',
          error_description: expect.stringContaining(
            `ttl_seconds '${ttl_seconds.slice(0, 60)}' is not a whole`,
          ),
        },
      })
    }
  })

  test.each([
    { authorization: 'Basic ZGVtbzpzZWNyZXQ=', error: 'invalid_client', challenge: /^Basic / },
    { authorization: '', error: 'invalid_client', challenge: /^Basic / },
    // A session may ask in the place of the client: this is none.
    { authorization: 'Bearer x', error: 'invalid_token', challenge: /^Bearer error="invalid_token"$/ },
  ])('with $authorization is refused, with a challenge', async ({ authorization, error, challenge }) => {
    const form = { ...exchangeForm(server.clientId), subject_token: await server.pull() }
    const reply = await server.call('POST', '/oauth/token', { form, headers: { authorization } })
    expect(reply).toMatchObject({ status: 401, json: { error } })
    expect(reply.headers['www-authenticate']).toMatch(challenge)
  })

  test('is refused with every token that is not a live base token of this server', async () => {
    const base = await server.pull()
    const [header = '', payload = '', signature = ''] = base.split('.')
    const claims = decodeJwt(base)
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const sign = (header: object, changed: object = {}) =>
      new SignJWT({ ...claims, ...changed })
        .setProtectedHeader({ alg: 'RS256', typ: 'JWT', ...header })
        .sign(privateKey)
    const bundle = (await server.call('GET', `/v1/jwt/bundle?tenant_id=${server.tenantId}`)).json.keys[0]
    const flipped = `${header}.${payload}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`
    const swapped = Buffer.from(JSON.stringify({ ...claims, permissions: ['billing:refund'] })).toString(
      'base64url',
    )
    const forged = {
      'a flipped bit': flipped,
      'other claims': `${header}.${swapped}.${signature}`,
      'no signature': `${header}.${payload}.`,
      'no algorithm': formatUnsignedJwt({ alg: 'none', typ: 'JWT' }, claims),
      'the public key as a secret': await new SignJWT(claims)
        .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
        .sign(Buffer.from(JSON.stringify(bundle))),
      'a key of its own': await sign({}),
      'a key that it brings along': await sign({ jwk: publicKey.export({ format: 'jwk' }) }),
      'a key id': await sign({ kid: 'default' }),
      'a call token': (await server.exchange()).json.access_token,
      'a session': server.adminToken,
      'white space': `${base} `,
      padding: `${base}=`,
      'not a token': 'x',
      'ten thousand dots': '.'.repeat(10_000),
    }
    for (const [why, subject_token] of Object.entries(forged)) {
      expect(await server.exchange({ subject_token }), why).toMatchObject({
        status: 400,
        json: { error: 'invalid_request', error_description: expect.stringContaining('subject token') },
      })
    }
  })

  test('is refused once its subject token has expired', async () => {
    const own = await startTestServer()
    const token = await own.pull()
    own.now = (NOW + 86_400) * 1000
    expect(await own.exchange({ subject_token: token })).toMatchObject({
      status: 400,
      json: { error: 'invalid_grant' },
    })
    await own.close()
  })

  test('leaves a record that names the token without holding it', async () => {
    const { access_token, authsec_audit } = (await server.exchange({ tool: 'get_bill' })).json
    const { events } = (
      await server.call('GET', '/audit/events?filter=type=token.exchanged&last=1', { admin: true })
    ).json
    const signed = access_token.slice(0, access_token.lastIndexOf('.'))
    expect(events[0].event).toMatchObject({
      id: authsec_audit,
      outcome: 'allow',
      token_hash: createHash('sha256').update(signed).digest('base64url'),
      jti: decodeJwt(access_token).jti,
      details: { tool: 'get_bill', expires_in: 60 },
    })
  })
})
