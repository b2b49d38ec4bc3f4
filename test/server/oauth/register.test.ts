import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CLIENT_JWKS, registerClient, requestOwnToken } from '../../support/registered-client.js'
import { startTestServer, type TestServer, UUID } from '../../support/running-server.js'
import { formatUnsignedJwt } from '../../support/unsigned-jwt.js'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.close())

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const lastEvent = async (type: string) =>
  (await server.call('GET', `/audit/events?filter=type=${type}&last=1`, { admin: true })).json.events[0].event
const weakKey = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })
const privateKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })

describe('a registration', () => {
  test.each<{ why: string; metadata: object; error: string }>([
    {
      why: 'a redirect to plain http',
      metadata: { redirect_uris: ['http://app.example/cb'] },
      error: 'invalid_redirect_uri',
    },
    {
      why: 'a host that only looks like loopback',
      metadata: { redirect_uris: ['http://localhost.evil.example/'] },
      error: 'invalid_redirect_uri',
    },
    {
      why: 'a redirect with a fragment',
      metadata: { redirect_uris: ['https://app.example/cb#x'] },
      error: 'invalid_redirect_uri',
    },
    {
      why: 'a redirect to a script',
      metadata: { redirect_uris: ['javascript:alert(1)'] },
      error: 'invalid_redirect_uri',
    },
    {
      why: 'redirects that are no list',
      metadata: { redirect_uris: 'https://app.example/cb' },
      error: 'invalid_client_metadata',
    },
    {
      why: 'another authentication',
      metadata: { token_endpoint_auth_method: 'client_secret_jwt' },
      error: 'invalid_client_metadata',
    },
    {
      why: 'the authorization code',
      metadata: { grant_types: ['authorization_code'] },
      error: 'invalid_client_metadata',
    },
    {
      why: 'refresh tokens',
      metadata: { grant_types: ['client_credentials', 'refresh_token'] },
      error: 'invalid_client_metadata',
    },
    { why: 'a response type', metadata: { response_types: ['code'] }, error: 'invalid_client_metadata' },
    {
      why: 'tokens for itself without a proof',
      metadata: { token_endpoint_auth_method: 'none', grant_types: ['client_credentials'] },
      error: 'invalid_client_metadata',
    },
    { why: 'a scope that is none', metadata: { scope: 'openid profile' }, error: 'invalid_client_metadata' },
    {
      why: 'keys at an address',
      metadata: { jwks_uri: 'https://app.example/jwks' },
      error: 'invalid_client_metadata',
    },
    {
      why: 'signing without a key',
      metadata: { token_endpoint_auth_method: 'private_key_jwt' },
      error: 'invalid_client_metadata',
    },
    { why: 'a private key', metadata: { jwks: { keys: [privateKey] } }, error: 'invalid_client_metadata' },
    { why: 'a weak key', metadata: { jwks: { keys: [weakKey] } }, error: 'invalid_client_metadata' },
    {
      why: 'a secret as a key',
      metadata: { jwks: { keys: [{ kty: 'oct', k: 'c2VjcmV0' }] } },
      error: 'invalid_client_metadata',
    },
    { why: 'no keys', metadata: { jwks: { keys: [] } }, error: 'invalid_client_metadata' },
    {
      why: 'another algorithm than the key’s',
      metadata: { jwks: CLIENT_JWKS, token_endpoint_auth_signing_alg: 'RS256' },
      error: 'invalid_client_metadata',
    },
    {
      why: 'HS256',
      metadata: { token_endpoint_auth_signing_alg: 'HS256' },
      error: 'invalid_client_metadata',
    },
    { why: 'no name', metadata: { client_name: ' ' }, error: 'invalid_client_metadata' },
    {
      why: 'a page that is a script',
      metadata: { client_uri: 'javascript:alert(1)' },
      error: 'invalid_client_metadata',
    },
    {
      why: 'an agent type of another alphabet',
      metadata: { client_kind: 'agent', agent_type: '../x' },
      error: 'invalid_client_metadata',
    },
    {
      why: 'a broken software statement',
      metadata: { software_statement: 'x' },
      error: 'invalid_software_statement',
    },
    {
      why: 'a software statement of nobody',
      metadata: { software_statement: formatUnsignedJwt({ alg: 'ES256' }, {}) },
      error: 'unapproved_software_statement',
    },
  ])('with $why is refused as $error, with a record', async ({ metadata, error }) => {
    const reply = await server.call('POST', '/oauth/register', { json: metadata })
    expect(reply).toMatchObject({ status: 400, json: { error, authsec_audit: expect.stringMatching(UUID) } })
    expect(reply.headers['cache-control']).toBe('no-store')
  })

  test('answers what takes effect, and its secrets once', async () => {
    const json = { client_name: 'an API', scope: 'orders:read billing:read', unknown_field: 1 }
    const reply = await server.call('POST', '/oauth/register', { json })
    expect(reply).toMatchObject({ status: 201, headers: { 'cache-control': 'no-store' } })
    const { client_id: id, registration_access_token: token } = reply.json
    expect(reply.json).toEqual({
      client_id: expect.stringMatching(UUID),
      client_id_issued_at: Math.floor(server.now / 1000),
      client_secret: expect.stringMatching(/^[\w-]{43}$/),
      client_secret_expires_at: 0,
      registration_access_token: expect.stringMatching(/^[\w-]{43}$/),
      registration_client_uri: `${server.url}/oauth/register/${id}`,
      client_name: 'an API',
      token_endpoint_auth_method: 'client_secret_basic',
      grant_types: expect.arrayContaining(['client_credentials']),
      response_types: [],
      scope: 'billing:read orders:read',
    })
    const read = await server.call('GET', `/oauth/register/${id}`, { headers: bearer(token) })
    const { client_secret: secret, client_secret_expires_at: _, ...rest } = reply.json
    expect(read).toMatchObject({ status: 200 })
    expect(read.json).toEqual(rest)

    const log = await server.call('GET', '/audit/events?limit=1000', { admin: true })
    expect(log.text).not.toContain(secret)
    expect(log.text).not.toContain(token)
  })

  test('of an agent gives it a SPIFFE id', async () => {
    const json = { client_kind: 'agent', agent_type: 'langchain' }
    const reply = await server.call('POST', '/oauth/register', { json })
    expect(reply.json.spiffe_id).toBe(
      `spiffe://example.org/tenants/${server.tenantId}/agents/langchain/${reply.json.client_id}`,
    )
  })

  test('with a session that is none is refused, though nobody would have asked for one', async () => {
    const reply = await server.call('POST', '/oauth/register', { json: {}, headers: bearer('x') })
    expect(reply).toMatchObject({ status: 401, json: { error: 'invalid_token' } })
  })
})

describe('managing a registration', () => {
  test.each(['GET', 'PUT', 'DELETE'])('%s is refused without its own token', async (method) => {
    const [one, other] = await Promise.all([registerClient(server), registerClient(server)])
    const call = (id: string, headers: Record<string, string>) =>
      server.call(method, `/oauth/register/${id}`, {
        headers,
        ...(method === 'PUT' && { json: { client_id: id } }),
      })
    const replies = await Promise.all([
      call(one.id, bearer(other.registrationToken)),
      call(one.id, bearer(server.adminToken)),
      call(server.clientId, bearer(one.registrationToken)),
      call('no-id', bearer(one.registrationToken)),
    ])
    for (const reply of replies) {
      expect(reply).toMatchObject({ status: 401, json: { error: 'invalid_token' } })
      expect(reply.headers['www-authenticate']).toBe('Bearer error="invalid_token"')
    }
    for (const reply of [await call(one.id, {}), await call(one.id, one.basic)]) {
      expect(reply).toMatchObject({ status: 401, json: { error: 'invalid_token' } })
      expect(reply.headers['www-authenticate']).toBe('Bearer')
    }
  })

  test('PUT replaces everything, and the token with it', async () => {
    const client = await registerClient(server, { client_name: 'before', software_id: 'x' })
    const place = `/oauth/register/${client.id}`
    const changed = await server.call('PUT', place, {
      headers: bearer(client.registrationToken),
      json: { client_id: client.id, client_secret: client.secret, scope: 'orders:read' },
    })
    expect(changed.status).toBe(200)
    expect(changed.json).toMatchObject({ client_id: client.id, scope: 'orders:read' })
    for (const gone of ['client_name', 'software_id', 'client_secret'])
      expect(changed.json).not.toHaveProperty(gone)
    expect(changed.json.registration_access_token).not.toBe(client.registrationToken)
    const actor = { type: 'client', id: client.id }
    expect(await lastEvent('client.updated')).toMatchObject({ outcome: 'allow', actor, client: client.id })

    const late = await server.call('GET', place, { headers: bearer(client.registrationToken) })
    expect(late).toMatchObject({ status: 401, json: { error: 'invalid_token' } })
    // The secret is the one it had; what it may ask for is another.
    expect(await requestOwnToken(server, client)).toMatchObject({
      status: 400,
      json: { error: 'invalid_scope' },
    })
  })

  test.each([
    { why: 'without naming itself', json: {} },
    { why: 'naming another client', json: { client_id: '11111111-2222-4333-8444-555555555555' } },
    { why: 'choosing its secret', json: { client_secret: 'chosen' }, own: true },
    { why: 'with the token of the server', json: { registration_access_token: 'x' }, own: true },
    { why: 'with the time of the server', json: { client_id_issued_at: 1 }, own: true },
    { why: 'with what no registration may hold', json: { grant_types: ['implicit'] }, own: true },
  ])('PUT $why is refused and changes nothing', async ({ json, own }) => {
    const client = await registerClient(server)
    const headers = bearer(client.registrationToken)
    const place = `/oauth/register/${client.id}`
    const reply = await server.call('PUT', place, {
      headers,
      json: { ...(own && { client_id: client.id }), ...json },
    })
    expect(reply).toMatchObject({ status: 400, json: { error: 'invalid_client_metadata' } })
    expect((await server.call('GET', place, { headers })).status).toBe(200)
  })

  test('DELETE ends the client, its tokens and its registration', async () => {
    const [client, witness] = await Promise.all([registerClient(server), registerClient(server)])
    const { access_token: token } = (await requestOwnToken(server, client)).json
    const place = `/oauth/register/${client.id}`
    const headers = bearer(client.registrationToken)
    expect(await server.call('DELETE', place, { headers })).toMatchObject({ status: 204, text: '' })
    const actor = { type: 'client', id: client.id }
    expect(await lastEvent('client.deleted')).toMatchObject({ outcome: 'allow', actor, client: client.id })
    expect(await server.call('DELETE', place, { headers })).toMatchObject({ status: 401 })
    expect(await requestOwnToken(server, client)).toMatchObject({
      status: 401,
      json: { error: 'invalid_client' },
    })
    const asked = await server.call('POST', '/oauth/introspect', { form: { token }, headers: witness.basic })
    expect(asked.json).toEqual({ active: false })
  })
})
