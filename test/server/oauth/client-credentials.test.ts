import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  basicOf,
  CLIENT_JWKS,
  type RegisteredClient,
  registerClient,
  requestOwnToken,
  signAssertion,
} from '../../support/registered-client.js'
import { startTestServer, type TestServer, UUID } from '../../support/running-server.js'
import { formatUnsignedJwt } from '../../support/unsigned-jwt.js'

const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

let server: TestServer
let client: RegisteredClient
let signer: RegisteredClient
beforeAll(async () => {
  server = await startTestServer()
  client = await registerClient(server)
  signer = await registerClient(server, { token_endpoint_auth_method: 'private_key_jwt', jwks: CLIENT_JWKS })
})
afterAll(() => server.close())

async function lastRecord() {
  const reply = await server.call('GET', '/audit/events?filter=type=token.issued&last=1', { admin: true })
  return reply.json.events[0].event
}

function requestSigned(assertion: string, fields: Record<string, string> = {}) {
  const form = {
    grant_type: 'client_credentials',
    resource: 'https://billing.example',
    client_assertion_type: JWT_BEARER,
    client_assertion: assertion,
    ...fields,
  }
  return server.call('POST', '/oauth/token', { form })
}

describe('a client that asks for itself', () => {
  test.each([
    { why: 'no API', fields: { resource: '' }, error: 'invalid_target' },
    {
      why: 'an API that nobody registered',
      fields: { resource: 'https://evil.example' },
      error: 'invalid_target',
    },
    {
      why: 'a permission it has not registered',
      fields: { scope: 'billing:refund' },
      error: 'invalid_scope',
    },
    {
      why: 'an API of which it has registered nothing',
      fields: { resource: 'https://orders.example' },
      error: 'invalid_scope',
    },
    { why: 'too much time', fields: { ttl_seconds: '301' }, error: 'invalid_request' },
    {
      why: 'another client',
      fields: { client_id: '11111111-2222-4333-8444-555555555555' },
      error: 'invalid_request',
    },
  ])('is refused $why as $error', async ({ fields, error }) => {
    const reply = await requestOwnToken(server, client, fields as Record<string, string>)
    expect(reply).toMatchObject({ status: 400, json: { error } })
    expect(reply.json.authsec_audit).toMatch(UUID)
  })

  test.each(['authorization_code', 'refresh_token', 'password', 'implicit'])(
    'is told that %s is not offered',
    async (grantType) => {
      const reply = await requestOwnToken(server, client, { grant_type: grantType })
      expect(reply).toMatchObject({ status: 400, json: { error: 'unsupported_grant_type' } })
    },
  )

  test.each([
    { why: 'a wrong secret', headers: () => basicOf(client.id, 'wrong') },
    { why: 'no secret', headers: () => basicOf(client.id, '') },
    { why: 'the secret of another client', headers: () => basicOf(signer.id, client.secret) },
    {
      why: 'an unknown client',
      headers: () => basicOf('11111111-2222-4333-8444-555555555555', client.secret),
    },
    { why: 'a bearer token', headers: () => ({ authorization: `Bearer ${client.secret}` }) },
  ])('is refused with $why, and the log knows it', async ({ headers }) => {
    const form = { grant_type: 'client_credentials', resource: 'https://billing.example' }
    const reply = await server.call('POST', '/oauth/token', { form, headers: headers() })
    expect(reply).toMatchObject({ status: 401, json: { error: 'invalid_client' } })
    expect(reply.headers['www-authenticate']).toMatch(/^Basic /)
    expect(reply.text).not.toContain(client.secret)
  })

  test('is refused with its secret in the body, where it has registered for the header', async () => {
    const form = { grant_type: 'client_credentials', client_id: client.id, client_secret: client.secret }
    const reply = await server.call('POST', '/oauth/token', {
      form: { ...form, resource: 'https://billing.example' },
    })
    expect(reply).toMatchObject({ status: 401, json: { error: 'invalid_client' } })
  })

  test('is refused when it proves nothing, or has registered for another grant only', async () => {
    const form = {
      grant_type: 'client_credentials',
      client_id: server.clientId,
      resource: 'https://billing.example',
    }
    expect(await server.call('POST', '/oauth/token', { form })).toMatchObject({
      status: 400,
      json: { error: 'unauthorized_client' },
    })
    const grant_types = ['urn:ietf:params:oauth:grant-type:token-exchange']
    const exchanger = await registerClient(server, { grant_types })
    expect(await requestOwnToken(server, exchanger)).toMatchObject({
      status: 400,
      json: { error: 'unauthorized_client' },
    })
  })

  test('gets a token about itself only, and one record', async () => {
    const reply = await requestOwnToken(server, client, { ttl_seconds: '30' })
    expect(reply.status).toBe(200)
    expect(reply.headers['cache-control']).toBe('no-store')
    expect(reply.json).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 30,
      scope: 'billing:read',
      authsec_audit: expect.stringMatching(UUID),
    })
    const claims = decodeJwt(reply.json.access_token)
    expect(claims).toMatchObject({ sub: client.id, client_id: client.id, authsec_grant: 'client' })
    expect(await lastRecord()).toMatchObject({
      id: reply.json.authsec_audit,
      outcome: 'allow',
      client: client.id,
      jti: claims.jti,
      permissions: { granted: ['billing:read'] },
    })
  })

  test('cannot exchange what it holds for itself', async () => {
    const { access_token: token } = (await requestOwnToken(server, client)).json
    const reply = await server.call('POST', '/oauth/token', {
      headers: client.basic,
      form: {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: token,
        subject_token_type: 'urn:ietf:params:oauth:token-type:access_token',
        resource: 'https://billing.example',
      },
    })
    expect(reply).toMatchObject({ status: 400, json: { error: 'invalid_request' } })
  })
})

describe('an assertion', () => {
  const now = () => Math.floor(server.now / 1000)

  test.each<{ why: string; claims?: () => object; header?: object }>([
    { why: 'of another issuer', claims: () => ({ iss: client.id }) },
    { why: 'for another server', claims: () => ({ aud: 'https://other.example' }) },
    { why: 'for another server too', claims: () => ({ aud: [server.issuer, 'https://other.example'] }) },
    { why: 'for nobody', claims: () => ({ aud: [] }) },
    { why: 'without an audience', claims: () => ({ aud: undefined }) },
    { why: 'without a jti', claims: () => ({ jti: undefined }) },
    { why: 'with an empty jti', claims: () => ({ jti: '' }) },
    { why: 'with a jti that is a number', claims: () => ({ jti: 1 }) },
    { why: 'without an end', claims: () => ({ exp: undefined }) },
    { why: 'that has expired', claims: () => ({ exp: now() - 30 }) },
    { why: 'that lives a second too long', claims: () => ({ exp: now() + 331 }) },
    { why: 'from the future', claims: () => ({ iat: now() + 31 }) },
    { why: 'of a time that is text', claims: () => ({ iat: String(now()) }) },
    { why: 'that begins later', claims: () => ({ nbf: now() + 31 }) },
    { why: 'that is an access token', header: { typ: 'at+jwt' } },
    { why: 'that names another key', header: { kid: 'k2' } },
    { why: 'with an extension that nobody understands', header: { crit: ['b64'], b64: true } },
  ])('$why is refused', async ({ claims, header }) => {
    const reply = await requestSigned(
      await signAssertion(
        server,
        signer.id,
        claims?.() as Record<string, unknown>,
        header as Record<string, unknown>,
      ),
    )
    expect(reply).toMatchObject({ status: 401, json: { error: 'invalid_client' } })
    expect(await lastRecord()).toMatchObject({ outcome: 'deny', reason: 'invalid_client', client: signer.id })
  })

  test.each([
    { why: 'a clock that is ahead', claims: () => ({ iat: now() + 30, nbf: now() + 30, exp: now() + 330 }) },
    { why: 'a clock that is behind', claims: () => ({ exp: now() - 29 }) },
  ])('from $why is accepted', async ({ claims }) => {
    const reply = await requestSigned(await signAssertion(server, signer.id, claims()))
    expect(reply).toMatchObject({ status: 200 })
  })

  test('that nobody has signed is refused', async () => {
    const [, payload] = (await signAssertion(server, signer.id)).split('.')
    for (const alg of ['none', 'HS256', 'ES256']) {
      const [header, , signature] = formatUnsignedJwt({ alg, kid: 'k1' }, {}).split('.')
      expect(await requestSigned(`${header}.${payload}.${signature}`)).toMatchObject({
        status: 401,
        json: { error: 'invalid_client' },
      })
    }
  })

  test('is good for one use', async () => {
    const assertion = await signAssertion(server, signer.id)
    expect((await requestSigned(assertion)).status).toBe(200)
    expect(await requestSigned(assertion)).toMatchObject({ status: 401, json: { error: 'invalid_client' } })
  })

  test('is good for one use of two at the same time', async () => {
    const assertion = await signAssertion(server, signer.id)
    const replies = await Promise.all([requestSigned(assertion), requestSigned(assertion)])
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 401])
  })

  test('may name the token endpoint', async () => {
    const assertion = await signAssertion(server, signer.id, { aud: `${server.url}/oauth/token` })
    expect((await requestSigned(assertion, { client_id: signer.id })).status).toBe(200)
  })
})
