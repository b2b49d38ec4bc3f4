import { decodeJwt } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { formatTime } from '../../../src/core/time.js'
import { CLIENT_JWKS, signAssertion } from '../../support/registered-client.js'
import { ADMIN, ALICE, BOB, type Door, openDoor } from './door.js'

const ADMIN_PLANE = '/authsec/uflow/auth/ciba'
const TENANT_PLANE = '/authsec/uflow/auth/tenant/ciba'

let door: Door
beforeAll(async () => {
  door = await openDoor()
})
// What one test guessed wrong is forgiven before the next.
beforeEach(() => door.pass(300))
afterAll(() => door.server.close())

/** Each of the three contracts as a way to ask and a way to poll. */
const CONTRACTS = [
  {
    plane: 'the admin plane',
    initiate: (login_hint = ALICE) => door.post(`${ADMIN_PLANE}/initiate`, { login_hint }),
    poll: (auth_req_id: string) => door.post(`${ADMIN_PLANE}/token`, { auth_req_id }),
    statuses: { pending: 200, denied: 403, gone: 400 },
    gone: 'expired_token',
    expiresIn: 31_536_000,
  },
  {
    plane: 'the tenant plane',
    initiate: (email = ALICE) =>
      door.post(`${TENANT_PLANE}/initiate`, { client_id: door.server.clientId, email }),
    poll: (auth_req_id: string) =>
      door.post(`${TENANT_PLANE}/token`, { client_id: door.server.clientId, auth_req_id }),
    statuses: { pending: 202, denied: 400, gone: 400 },
    gone: 'expired_token',
    expiresIn: 86_400,
  },
  {
    plane: 'OpenID',
    initiate: (login_hint = ALICE) =>
      door.form('/oauth/bc-authorize', { client_id: door.server.clientId, login_hint, scope: 'openid' }),
    poll: (auth_req_id: string) =>
      door.form('/oauth/token', {
        grant_type: 'urn:openid:params:grant-type:ciba',
        client_id: door.server.clientId,
        auth_req_id,
      }),
    statuses: { pending: 400, denied: 400, gone: 400 },
    gone: 'invalid_grant',
    expiresIn: 3_600,
  },
] as const

const respond = async (auth_req_id: string, approved: boolean, email = ALICE) =>
  door.post(`${ADMIN_PLANE}/respond`, { auth_req_id, approved }, await door.login(email))

describe.each(CONTRACTS)('CIBA on $plane', ({ initiate, poll, statuses, gone, expiresIn }) => {
  test('is pending, then approved, then used', async () => {
    const { status, body } = await initiate()
    expect(status).toBe(200)
    expect(body).toMatchObject({ auth_req_id: expect.any(String), expires_in: 300, interval: 5 })
    expect(await poll(body.auth_req_id)).toMatchObject({
      status: statuses.pending,
      body: { error: 'authorization_pending' },
    })
    expect((await respond(body.auth_req_id, true)).body).toEqual({
      success: true,
      message: 'Request approved',
    })
    const granted = await poll(body.auth_req_id)
    expect(granted).toMatchObject({
      status: 200,
      body: { access_token: expect.any(String), token_type: 'Bearer', expires_in: expiresIn },
    })
    const verified = await door.post('/authmgr/token/verify', { token: granted.body.access_token })
    expect(verified.body).toMatchObject({ valid: true, email_id: ALICE })
    expect(await poll(body.auth_req_id)).toMatchObject({ status: statuses.gone, body: { error: gone } })
    expect(await door.events('session.started', 2)).toMatchObject([
      { outcome: 'allow', details: { kind: 'ciba' } },
      { outcome: 'deny', reason: gone },
    ])
  })

  test('is denied', async () => {
    const { body } = await initiate()
    await respond(body.auth_req_id, false)
    expect(await poll(body.auth_req_id)).toMatchObject({
      status: statuses.denied,
      body: { error: 'access_denied' },
    })
    const [asked] = await door.events('approval.requested')
    const [denied] = await door.events('approval.denied')
    const { subject, client, details } = asked
    expect(denied).toMatchObject({ outcome: 'allow', actor: subject, subject, details })
    expect(denied.client).toBe(client)
  })

  test('expires', async () => {
    const { body } = await initiate()
    door.pass(300)
    expect(await poll(body.auth_req_id)).toMatchObject({
      status: 400,
      body: { error: 'expired_token' },
    })
    expect((await respond(body.auth_req_id, true)).status).toBe(404)
  })

  test('knows no handle that it has not given out', async () => {
    expect(await poll('abc')).toMatchObject({ status: 400, body: { error: gone } })
    for (const other of CONTRACTS) {
      if (other.expiresIn === expiresIn) continue
      const { body } = await other.initiate()
      expect(await poll(body.auth_req_id)).toMatchObject({ status: 400, body: { error: gone } })
    }
  })

  test('is answered by nobody but the person who is asked', async () => {
    const { body } = await initiate()
    expect((await respond(body.auth_req_id, true, BOB)).status).toBe(404)
    expect((await respond(body.auth_req_id, true, ADMIN)).status).toBe(404)
    expect((await poll(body.auth_req_id)).body.error).toMatch(/authorization_pending|slow_down/)
  })
})

test('the hint may be the id of the user, in any case', async () => {
  const { user_id } = decodeJwt<{ user_id: string }>(await door.login())
  for (const login_hint of [user_id, user_id.toUpperCase()]) {
    const { status, body } = await door.post(`${ADMIN_PLANE}/initiate`, { login_hint })
    expect(status).toBe(200)
    await respond(body.auth_req_id, false)
  }
})

describe('initiating is refused', () => {
  test.each([
    {
      why: 'nobody of that name, on the admin plane',
      call: () => door.post(`${ADMIN_PLANE}/initiate`, { login_hint: 'mallory@authsec.test' }),
      status: 400,
      error: 'user_not_found',
    },
    {
      why: 'nobody of that name, on the tenant plane',
      call: () =>
        door.post(`${TENANT_PLANE}/initiate`, {
          client_id: door.server.clientId,
          email: 'mallory@authsec.test',
        }),
      status: 400,
      error: 'user_not_found',
    },
    {
      why: 'an unknown client, on the tenant plane',
      call: () => door.post(`${TENANT_PLANE}/initiate`, { client_id: 'x', email: ALICE }),
      status: 400,
      error: 'invalid_client',
    },
    {
      why: 'no hint, on the admin plane',
      call: () => door.post(`${ADMIN_PLANE}/initiate`, {}),
      status: 400,
      error: 'Invalid request body',
    },
    {
      why: 'a message that fills a screen',
      call: () =>
        door.post(`${ADMIN_PLANE}/initiate`, { login_hint: ALICE, binding_message: 'x'.repeat(257) }),
      status: 400,
      error: 'invalid_binding_message',
    },
    { why: 'no client', call: () => bcAuthorize({ client_id: '' }), status: 401, error: 'invalid_client' },
    { why: 'no hint', call: () => bcAuthorize({ login_hint: '' }), status: 400, error: 'invalid_request' },
    {
      why: 'two hints',
      call: () => bcAuthorize({ id_token_hint: 'x' }),
      status: 400,
      error: 'invalid_request',
    },
    {
      why: 'a hint of a kind that is not known',
      call: () => bcAuthorize({ login_hint: '', login_hint_token: 'x' }),
      status: 400,
      error: 'invalid_request',
    },
    {
      why: 'an unknown user',
      call: () => bcAuthorize({ login_hint: 'mallory@authsec.test' }),
      status: 400,
      error: 'unknown_user_id',
    },
    { why: 'an odd scope', call: () => bcAuthorize({ scope: 'all' }), status: 400, error: 'invalid_scope' },
    {
      why: 'a resource',
      call: () => bcAuthorize({ resource: 'https://billing.example' }),
      status: 400,
      error: 'invalid_target',
    },
    {
      why: 'a signed request',
      call: () => bcAuthorize({ request: 'e30.e30.e30' }),
      status: 400,
      error: 'invalid_request',
    },
    {
      why: 'a life in words',
      call: () => bcAuthorize({ requested_expiry: 'long' }),
      status: 400,
      error: 'invalid_request',
    },
  ])('for $why, and recorded', async ({ call, status, error }) => {
    expect(await call()).toMatchObject({ status, body: { error } })
    expect(await door.events('approval.requested')).toMatchObject([{ outcome: 'deny' }])
  })

  const bcAuthorize = (fields: Record<string, string>) =>
    door.form('/oauth/bc-authorize', { client_id: door.server.clientId, login_hint: ALICE, ...fields })
})

describe('a request for approval that is sent again', () => {
  const KEY = 'b0b5b2f0-7f83-4b7e-8a54-0d8b8f4f4a10'
  const ask = (fields: Record<string, string> = {}, key = KEY) =>
    door.form(
      '/oauth/bc-authorize',
      { client_id: door.server.clientId, login_hint: ALICE, binding_message: 'Refund 120?', ...fields },
      { 'idempotency-key': key },
    )
  const poll = (auth_req_id: string) =>
    door.form('/oauth/token', {
      grant_type: 'urn:openid:params:grant-type:ciba',
      client_id: door.server.clientId,
      auth_req_id,
    })
  const countAsked = async () => (await door.events('approval.requested', 100)).length

  test('is the same question, as long as it is open', async () => {
    const before = await countAsked()
    const first = await ask()
    door.pass(100)
    const again = await ask()
    expect([first.status, again.status]).toEqual([200, 200])
    expect(again.body).toEqual({ ...first.body, expires_in: first.body.expires_in - 100 })
    expect((await countAsked()) - before).toBe(1)

    await respond(first.body.auth_req_id, true)
    expect((await ask()).body.auth_req_id).toBe(first.body.auth_req_id)
    expect((await poll(first.body.auth_req_id)).status).toBe(200)
    expect((await poll(first.body.auth_req_id)).body.error).toBe('invalid_grant')
  })

  test('is the same question also when both arrive at once', async () => {
    const fields = { client_id: door.server.clientId, login_hint: ALICE }
    const ask = async () => {
      const body = new URLSearchParams(fields)
      const headers = { 'idempotency-key': 'both-at-once' }
      const request = new Request(`${door.server.url}/oauth/bc-authorize`, { method: 'POST', body, headers })
      return (await door.server.fetch(request)).json()
    }
    const [one, ...others] = await Promise.all([ask(), ask(), ask()])
    expect(one).toEqual({ auth_req_id: expect.any(String), expires_in: 300, interval: 5 })
    expect(others).toEqual([one, one])
  })

  test('is another question under another key, and of another client', async () => {
    const other = await door.post('/oauth/register', {
      token_endpoint_auth_method: 'none',
      grant_types: ['urn:openid:params:grant-type:ciba'],
    })
    const answers = [
      await ask({}, 'one-of-two'),
      await ask({}, 'two-of-two'),
      await ask({ client_id: other.body.client_id }, 'one-of-two'),
    ]
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
    expect(new Set(answers.map(({ body }) => body.auth_req_id)).size).toBe(3)
  })

  test('has a name that says nothing of the key, which the log does not tell', async () => {
    const { body, headers } = await ask({}, 'never-to-be-told')
    expect(body.auth_req_id).toMatch(/^[\w-]{43}$/)
    const [event] = await door.events('approval.requested')
    expect(JSON.stringify([event, [...headers]])).not.toContain('never-to-be-told')
  })

  test.each([
    { why: 'another person', fields: { login_hint: BOB } },
    { why: 'other words', fields: { binding_message: 'Refund 1200?' } },
    { why: 'other permissions', fields: { scope: 'billing:refund' } },
    { why: 'another life', fields: { requested_expiry: '30' } },
  ])('is refused with $why under the same key, and the refusal is recorded', async ({ fields }) => {
    const { body } = await ask({}, 'the-same-key')
    expect(await ask(fields, 'the-same-key')).toMatchObject({
      status: 400,
      body: { error: 'invalid_request', error_description: expect.stringContaining('Idempotency-Key') },
    })
    expect(await door.events('approval.requested')).toMatchObject([{ outcome: 'deny' }])
    expect((await ask({}, 'the-same-key')).body.auth_req_id).toBe(body.auth_req_id)
  })

  test('is refused when the question has come to its end, and with a key that is no word', async () => {
    await ask({}, 'a-key-of-old')
    door.pass(301)
    for (const key of ['a-key-of-old', 'short']) {
      expect(await ask({}, key)).toMatchObject({ status: 400, body: { error: 'invalid_request' } })
    }
  })
})

// OpenID CIBA Core §7.1.
describe('an assertion at the endpoint of CIBA', () => {
  const ask = async (aud: unknown, path = '/oauth/bc-authorize') => {
    const json = {
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: CLIENT_JWKS,
      grant_types: ['urn:openid:params:grant-type:ciba'],
    }
    const { body } = await door.post('/oauth/register', json)
    const server = { now: door.now(), issuer: door.server.issuer }
    return door.form(path, {
      login_hint: ALICE,
      token: 'x',
      client_assertion: await signAssertion(server, body.client_id, { aud }),
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    })
  }

  test.each(['', '/oauth/token', '/oauth/bc-authorize'])('may be for the issuer%s', async (path) => {
    expect(await ask(`${door.server.issuer}${path}`)).toMatchObject({ status: 200 })
  })

  test.each([
    { why: 'another endpoint', aud: () => `${door.server.issuer}/oauth/introspect` },
    {
      why: 'another server too',
      aud: () => [`${door.server.issuer}/oauth/bc-authorize`, 'https://other.example'],
    },
  ])('is refused for $why', async ({ aud }) => {
    expect(await ask(aud())).toMatchObject({ status: 401, body: { error: 'invalid_client' } })
  })

  test('is for no other endpoint', async () => {
    const aud = `${door.server.issuer}/oauth/bc-authorize`
    expect(await ask(aud, '/oauth/introspect')).toMatchObject({
      status: 401,
      body: { error: 'invalid_client' },
    })
  })
})

describe('what waits for an answer', () => {
  test('is shown to the person who is asked, and can be answered from there', async () => {
    const { body } = await door.post(`${TENANT_PLANE}/initiate`, {
      client_id: `${door.server.clientId}-main-client`,
      email: ALICE,
      binding_message: 'refund 42',
    })
    expect((await door.get(`${TENANT_PLANE}/requests`, await door.login(BOB))).body.requests).toEqual([])
    const alice = await door.login(ALICE)
    const { body: list } = await door.get('/uflow/auth/workspace/ciba/requests', alice)
    expect(list).toEqual({
      count: 1,
      requests: [
        {
          auth_req_id: expect.any(String),
          client_id: door.server.clientId,
          binding_message: 'refund 42',
          scopes: ['openid', 'profile', 'email'],
          status: 'pending',
          created_at: formatTime(door.now()),
          expires_at: formatTime(door.now() + 300_000),
        },
      ],
    })
    // It is not what the program polls with: whoever sees the list cannot take the session.
    const [{ auth_req_id: shown }] = list.requests
    expect(shown).not.toBe(body.auth_req_id)
    const poll = (auth_req_id: string) =>
      door.post(`${TENANT_PLANE}/token`, { client_id: door.server.clientId, auth_req_id })
    expect((await poll(shown)).body.error).toBe('expired_token')

    await door.post(`${TENANT_PLANE}/respond`, { auth_req_id: shown, approved: true }, alice)
    expect((await poll(body.auth_req_id)).status).toBe(200)
  })

  test('is not polled for by another client', async () => {
    const { body: other } = await door.post(
      `/authsec/clientms/tenants/${door.server.tenantId}/clients/create`,
      { name: 'other', email: 'other@authsec.test', client_type: 'ai_agent', agent_type: 'langchain' },
      door.server.adminToken,
    )
    const { body } = await door.post(`${TENANT_PLANE}/initiate`, {
      client_id: door.server.clientId,
      email: ALICE,
    })
    await respond(body.auth_req_id, true)
    const answer = await door.post(`${TENANT_PLANE}/token`, {
      client_id: other.client_id,
      auth_req_id: body.auth_req_id,
    })
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_grant' } })
  })

  test.each([
    { path: '/requests', method: 'get' },
    { path: '/respond', method: 'post' },
  ] as const)('needs a session: $path', async ({ path, method }) => {
    const answer =
      method === 'get'
        ? await door.get(`${TENANT_PLANE}${path}`)
        : await door.post(`${TENANT_PLANE}${path}`, { auth_req_id: 'x', approved: true })
    expect(answer.status).toBe(401)
  })
})

describe('a server that answers by itself', () => {
  test('approves, but never the administration of the server', async () => {
    const door = await openDoor({ ciba: 'auto-approve' })
    const { body } = await door.post(`${ADMIN_PLANE}/initiate`, { login_hint: ADMIN })
    const { body: granted } = await door.post(`${ADMIN_PLANE}/token`, { auth_req_id: body.auth_req_id })
    expect(granted.access_token).toEqual(expect.any(String))
    expect((await door.get('/authsec/uflow/delegation-policies', granted.access_token)).status).toBe(403)
    // Nobody was there: such a session answers nothing either.
    expect((await door.get(`${TENANT_PLANE}/requests`, granted.access_token)).status).toBe(403)
    expect(await door.events('approval.approved')).toMatchObject([{ actor: { type: 'server' } }])
    await door.server.close()
  })

  test('denies', async () => {
    const door = await openDoor({ ciba: 'auto-deny' })
    const { body } = await door.post(`${ADMIN_PLANE}/initiate`, { login_hint: ALICE })
    expect(await door.post(`${ADMIN_PLANE}/token`, { auth_req_id: body.auth_req_id })).toMatchObject({
      status: 403,
      body: { error: 'access_denied' },
    })
    await door.server.close()
  })
})
