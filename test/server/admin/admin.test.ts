import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CLIENT_JWKS, signAssertion } from '../../support/registered-client.js'
import { BILLING, startTestServer, type TestServer } from '../../support/running-server.js'

const PASSWORD = 'correct horse battery'
const UNKNOWN = '00000000-0000-4000-8000-000000000000'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer({ passwords: { 'bob@authsec.test': PASSWORD } })
})
afterAll(() => server.close())

const admin = (method: string, path: string, json?: object) =>
  server.call(method, path, { admin: true, ...(json !== undefined && { json }) })

async function lastEvent(type: string) {
  const { json } = await admin('GET', `/audit/events?last=1&filter=${encodeURIComponent(`type=${type}`)}`)
  return json.events[0]?.event
}

describe('the resources of an admin', () => {
  test('are shown and deleted by their encoded address, and the log says so', async () => {
    const uri = 'https://stock.example/a?b=c%20d'
    await admin('POST', '/admin/resources', { uri, permissions: ['stock:read'] })
    const path = `/admin/resources/${encodeURIComponent(uri)}`
    expect(await admin('GET', path)).toMatchObject({
      status: 200,
      json: { uri, permissions: ['stock:read'] },
    })
    expect(await admin('DELETE', path)).toMatchObject({ status: 200, json: { status: 'deleted', uri } })
    expect(await lastEvent('resource.deleted')).toMatchObject({ outcome: 'allow', aud: [uri] })
    expect(await admin('GET', path)).toMatchObject({ status: 404 })
    expect(await admin('DELETE', path)).toMatchObject({ status: 404 })
    expect(await lastEvent('resource.deleted')).toMatchObject({ outcome: 'deny', reason: 'not_found' })
  })
})

describe('the delegations of an admin', () => {
  test('are listed without their tokens', async () => {
    const { status, text, json } = await admin('GET', '/admin/delegations')
    expect(status).toBe(200)
    expect(json.delegations).toMatchObject([{ client_id: server.clientId, status: 'active' }])
    expect(text).not.toMatch(/eyJ|sealed|"token"/)
  })

  test.each([
    { query: `client_id=${UNKNOWN}`, count: 0 },
    { query: 'limit=1', count: 1 },
  ])('with $query are $count', async ({ query, count }) => {
    expect((await admin('GET', `/admin/delegations?${query}`)).json.delegations).toHaveLength(count)
  })

  test.each(['limit=0', 'limit=1001', 'limit=x'])('are refused with %s', async (query) => {
    expect(await admin('GET', `/admin/delegations?${query}`)).toMatchObject({ status: 400 })
  })
})

describe('the revocation of an admin', () => {
  test('ends a token by its id, and a client cannot ask for it', async () => {
    const { access_token: token } = (await server.exchange()).json
    const { jti } = JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString())
    expect(await server.call('POST', '/admin/tokens/revoke', { json: { jti } })).toMatchObject({
      status: 401,
    })
    expect(await admin('POST', '/admin/tokens/revoke', { jti })).toMatchObject({ status: 200 })
    const { json } = await server.call('POST', '/oauth/introspect', { admin: true, form: { token } })
    expect(json).toEqual({ active: false })
    expect(await lastEvent('token.revoked')).toMatchObject({ outcome: 'allow', jti })
  })

  test('ends a session by its id, for good', async () => {
    const email = 'bob@authsec.test'
    const login = { email, password: PASSWORD }
    const { token } = (await server.call('POST', '/uflow/auth/admin/login', { json: login })).json
    const { jti } = JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString())
    const isValid = async () =>
      (await server.call('POST', '/authmgr/token/verify', { json: { token } })).json.valid
    expect(await isValid()).toBe(true)
    // As somebody may have copied it: a UUID in capitals is the same one (RFC 9562 §4).
    const typed = { jti: jti.toUpperCase() }
    expect(await admin('POST', '/admin/tokens/revoke', typed)).toMatchObject({ status: 200, json: { jti } })
    expect(await isValid()).not.toBe(true)
  })

  test('is for every token, which RFC 7009 leaves to the server', async () => {
    const { access_token: token } = (await server.exchange()).json
    expect(await server.call('POST', '/oauth/revoke', { admin: true, form: { token } })).toMatchObject({
      status: 200,
    })
    const { json } = await server.call('POST', '/oauth/introspect', { admin: true, form: { token } })
    expect(json).toEqual({ active: false })
  })

  test.each([
    { why: 'a session that is none', headers: { authorization: 'Bearer nonsense' } },
    { why: 'the session of who is no admin', headers: undefined },
  ])('is refused to $why', async ({ headers }) => {
    const { access_token: token } = (await server.exchange()).json
    const call = headers ?? { authorization: `Bearer ${token}` }
    expect((await server.call('POST', '/oauth/revoke', { headers: call, form: { token } })).status).toBe(401)
    const { json } = await server.call('POST', '/oauth/introspect', { admin: true, form: { token } })
    expect(json).toMatchObject({ active: true, aud: BILLING })
  })

  test.each([{}, { jti: 1 }, { jti: '' }, { jti: 'foo' }, { jti: 'x'.repeat(201) }])(
    'is refused %j',
    async (body) => {
      expect((await admin('POST', '/admin/tokens/revoke', body)).status).toBe(400)
    },
  )
})

describe('the rotation of a secret', () => {
  async function registerApp() {
    const metadata = {
      client_name: 'app',
      token_endpoint_auth_method: 'client_secret_post',
      grant_types: ['client_credentials'],
      scope: 'billing:read',
    }
    return (await server.call('POST', '/oauth/register', { json: metadata })).json
  }
  const rotate = (id: string, body: object) => admin('POST', `/admin/clients/${id}/rotate-secret`, body)
  const use = async (client_id: string, client_secret: string) =>
    (
      await server.call('POST', '/oauth/token', {
        form: { grant_type: 'client_credentials', resource: BILLING, client_id, client_secret },
      })
    ).status

  test('is recorded without the secret, and its former one ends to the millisecond', async () => {
    const { client_id: id, client_secret: former } = await registerApp()
    const { json } = await rotate(id, { overlap_seconds: 10 })
    expect(await lastEvent('client.secret_rotated')).toMatchObject({
      client: id,
      details: { overlap_seconds: 10 },
    })
    expect(JSON.stringify(await lastEvent('client.secret_rotated'))).not.toContain(json.client_secret)
    const start = server.now
    server.now = start + 9_999
    expect(await use(id, former)).toBe(200)
    server.now = start + 10_000
    expect(await use(id, former)).toBe(401)
    expect(await use(id, json.client_secret)).toBe(200)
  })

  test.each([-1, 1.5, 604_801, '1h'])('is refused an overlap of %j', async (overlap_seconds) => {
    const { client_id: id, client_secret: secret } = await registerApp()
    expect((await rotate(id, { overlap_seconds })).status).toBe(400)
    expect(await use(id, secret)).toBe(200)
  })

  test('is refused for a client without a secret, and for none', async () => {
    expect(await rotate(server.clientId, {})).toMatchObject({ status: 409 })
    expect(await rotate(UNKNOWN, {})).toMatchObject({ status: 404 })
  })

  test('leaves no former secret behind when the client changes how it proves itself', async () => {
    const { client_id: id, client_secret: former, registration_access_token: token } = await registerApp()
    await rotate(id, { overlap_seconds: 3600 })
    const headers = { authorization: `Bearer ${token}` }
    const json = { client_id: id, client_name: 'app', token_endpoint_auth_method: 'none', grant_types: [] }
    const reply = await server.call('PUT', `/oauth/register/${id}`, { headers, json })
    expect(await use(id, former)).toBe(401)

    // Nor when it comes back to a secret, which is another one.
    const returned = await server.call('PUT', `/oauth/register/${id}`, {
      headers: { authorization: `Bearer ${reply.json.registration_access_token}` },
      json: {
        ...json,
        token_endpoint_auth_method: 'client_secret_post',
        grant_types: ['client_credentials'],
        scope: 'billing:read',
      },
    })
    expect(await use(id, returned.json.client_secret)).toBe(200)
    expect(await use(id, former)).toBe(401)
  })
})

describe('the keys of a client', () => {
  const setKeys = (id: string, json: unknown) => admin('PUT', `/admin/clients/${id}/jwks`, json as object)
  const createAgent = async (name: string) => {
    const json = { name, email: `${name}@authsec.test`, client_type: 'ai_agent', agent_type: 'langchain' }
    const path = `/authsec/clientms/tenants/${server.tenantId}/clients/create`
    return (await server.call('POST', path, { json, admin: true })).json.client_id as string
  }
  const assertionOf = async (id: string) => ({
    client_assertion: await signAssertion(server, id),
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
  })
  const pull = (form: Record<string, string>) =>
    server.call('POST', '/authsec/uflow/sdk/delegation-token', { form })

  test('prove who it is from then on, and nothing else does', async () => {
    const id = await createAgent('keyed')
    const reply = await setKeys(id, CLIENT_JWKS)
    expect(reply).toMatchObject({
      status: 200,
      json: { client_id: id, name: 'keyed', token_endpoint_auth_method: 'private_key_jwt' },
    })
    expect(await lastEvent('client.updated')).toMatchObject({
      outcome: 'allow',
      client: id,
      details: { auth_method: 'private_key_jwt' },
    })
    // It is known: what it lacks is a delegation.
    expect((await pull(await assertionOf(id))).status).toBe(404)
    expect((await pull({ client_id: id })).status).toBe(401)
  })

  test('take the place of a secret, for the registration too', async () => {
    const json = { client_name: 'app', scope: 'billing:read', token_endpoint_auth_signing_alg: 'RS256' }
    const app = (await server.call('POST', '/oauth/register', { json })).json
    await setKeys(app.client_id, CLIENT_JWKS)
    const form = { grant_type: 'client_credentials', resource: BILLING }
    const secret = { client_id: app.client_id, client_secret: app.client_secret }
    expect((await server.call('POST', '/oauth/token', { form: { ...form, ...secret } })).status).toBe(401)
    const proof = await assertionOf(app.client_id)
    expect((await server.call('POST', '/oauth/token', { form: { ...form, ...proof } })).status).toBe(200)

    const headers = { authorization: `Bearer ${app.registration_access_token}` }
    const read = (await server.call('GET', `/oauth/register/${app.client_id}`, { headers })).json
    expect(read).toMatchObject({ token_endpoint_auth_method: 'private_key_jwt', jwks: CLIENT_JWKS })
    expect(read).not.toHaveProperty('token_endpoint_auth_signing_alg')
  })

  test('leave nothing of a secret, not even for a client that comes back to one', async () => {
    const registered = { client_name: 'app', grant_types: ['client_credentials'], scope: 'billing:read' }
    const app = (await server.call('POST', '/oauth/register', { json: registered })).json
    const { client_id } = app
    const rotate = () => admin('POST', `/admin/clients/${client_id}/rotate-secret`, { overlap_seconds: 3600 })
    const { client_secret: rotated } = (await rotate()).json
    await setKeys(client_id, CLIENT_JWKS)
    expect(await rotate()).toMatchObject({ status: 409 })

    const returned = await server.call('PUT', `/oauth/register/${client_id}`, {
      headers: { authorization: `Bearer ${app.registration_access_token}` },
      json: { ...registered, client_id, token_endpoint_auth_method: 'client_secret_post' },
    })
    const use = async (client_secret: string) => {
      const form = { grant_type: 'client_credentials', resource: BILLING, client_id, client_secret }
      return (await server.call('POST', '/oauth/token', { form })).status
    }
    expect(await use(returned.json.client_secret)).toBe(200)
    expect(await use(rotated)).toBe(401)
    expect(await use(app.client_secret)).toBe(401)
  })

  test.each([
    { why: 'none', jwks: { keys: [] }, says: /1 to 10 keys/ },
    { why: 'no key set', jwks: { kty: 'EC' }, says: /1 to 10 keys/ },
    {
      why: 'a private key',
      jwks: { keys: [{ kty: 'OKP', crv: 'Ed25519', kid: 'mine', x: 'x'.repeat(43), d: 'y'.repeat(43) }] },
      says: /the key .?"mine.?" of jwks is not public/,
    },
    { why: 'a key that is shared', jwks: { keys: [{ kty: 'oct', k: 'c2VjcmV0' }] }, says: /is not public/ },
    { why: 'a key that signs nothing', jwks: { keys: [{ kty: 'EC', crv: 'P-521' }] }, says: /cannot sign/ },
  ])('are refused where there is $why, and nothing changes', async ({ jwks, says }) => {
    const id = await createAgent('unkeyed')
    const reply = await setKeys(id, jwks)
    expect(reply.status).toBe(400)
    expect(reply.text).toMatch(says)
    expect(reply.text).not.toContain('y'.repeat(43))
    expect((await pull({ client_id: id })).status).toBe(404)
  })

  test('are refused for the client that is protected, for no client, and set by nobody else', async () => {
    expect(await setKeys(await createAgent('default'), CLIENT_JWKS)).toMatchObject({ status: 409 })
    expect(await setKeys(UNKNOWN, CLIENT_JWKS)).toMatchObject({ status: 404 })
    const path = `/admin/clients/${server.clientId}/jwks`
    expect((await server.call('PUT', path, { json: CLIENT_JWKS })).status).toBe(401)
  })

  test('are not for the default client, which is protected', async () => {
    const id = await createAgent('default')
    expect(await setKeys(id, CLIENT_JWKS)).toMatchObject({ status: 409 })
    expect((await pull({ client_id: id })).status).toBe(404)
  })

  test('are what the refusal to rotate a secret names to a client without any proof', async () => {
    const id = await createAgent('proofless')
    const reply = await admin('POST', `/admin/clients/${id}/rotate-secret`, {})
    expect(reply).toMatchObject({
      status: 409,
      json: { details: 'Give it a public key instead: authsec client update ID --jwks FILE.' },
    })
  })
})
