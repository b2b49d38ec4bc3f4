import { decodeJwt } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { formatTime } from '../../../src/core/time.js'
import { ADMIN, ALICE, type Answer, BOB, type Door, openDoor } from './door.js'

const CODE = '/authsec/uflow/auth/device/code'
const TOKEN = '/authsec/uflow/auth/device/token'
const AUTHORIZE = '/authsec/uflow/auth/device/authorize'
const INFO = '/authsec/uflow/auth/device/activate/info'
const VERIFY = '/authsec/uflow/auth/device/verify'
const GRANT = 'urn:ietf:params:oauth:grant-type:device_code'

let door: Door
beforeAll(async () => {
  door = await openDoor()
})
// What one test guessed wrong is forgiven before the next.
beforeEach(() => door.pass(300))
afterAll(() => door.server.close())

const start = async (body: object = {}) => (await door.post(CODE, body)).body
const poll = (device_code: string) => door.post(TOKEN, { device_code, grant_type: GRANT })
const answer = async (user_code: string, approved: boolean, email = ALICE) =>
  door.post(AUTHORIZE, { user_code, approved }, await door.login(email))

describe("AuthSec's device flow", () => {
  test('gives out codes in its words', async () => {
    const { status, body } = await door.post('/uflow/auth/device/code', {
      client_id: 'x',
      tenant_domain: 'y',
    })
    expect(status).toBe(200)
    expect(body).toEqual({
      device_code: expect.stringMatching(/^[0-9a-f]{64}$/),
      user_code: expect.stringMatching(/^[A-HJKMNP-Z2-9]{4}-[A-HJKMNP-Z2-9]{4}$/),
      verification_uri: `${door.server.url}/activate`,
      verification_uri_complete: `${door.server.url}/activate?user_code=${body.user_code}`,
      expires_in: 300,
      interval: 5,
    })
    const [event] = await door.events('device.requested')
    expect(event).toMatchObject({ outcome: 'allow' })
    expect(JSON.stringify(event)).not.toContain(body.device_code)
    expect(JSON.stringify(event)).not.toContain(body.user_code)
  })

  test('says pending with 200, and slow_down to whoever polls within five seconds', async () => {
    const { device_code } = await start()
    const pending = await poll(device_code)
    expect(pending.status).toBe(200)
    expect(pending.body).toEqual({
      error: 'authorization_pending',
      error_description: expect.any(String),
    })
    door.pass(4.999)
    expect(await poll(device_code)).toMatchObject({ status: 400, body: { error: 'slow_down' } })
    door.pass(5)
    expect(await poll(device_code)).toMatchObject({
      status: 200,
      body: { error: 'authorization_pending' },
    })
    // Nothing has happened, so nothing is told.
    const [last] = await door.events('session.started')
    expect(last?.reason).not.toBe('authorization_pending')
  })

  test('gives a session once, in its words', async () => {
    const { device_code, user_code } = await start()
    const login = await answer(user_code, true, ADMIN)
    expect(login.body).toEqual({ status: 'authorized' })

    const { status, body } = await poll(device_code)
    expect(status).toBe(200)
    expect(body).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 86_400,
      scope: 'openid profile email',
      email: ADMIN,
      user_id: expect.any(String),
      tenant_id: door.server.tenantId,
      tenant_domain: '127.0.0.1',
      client_id: '',
    })
    // As at AuthSec, an admin who approves gives the device what an admin may do.
    expect((await door.get('/authsec/uflow/delegation-policies', body.access_token)).status).toBe(200)
    expect(await poll(device_code)).toMatchObject({ status: 400, body: { error: 'expired_token' } })
    expect(await door.events('session.started', 2)).toMatchObject([
      { outcome: 'allow', details: { kind: 'device' }, subject: { id: body.user_id } },
      { outcome: 'deny', reason: 'expired_token' },
    ])
  })

  test('gives one session to two who ask for it at once', async () => {
    const { device_code, user_code } = await start()
    await answer(user_code, true)
    const answers = await Promise.all([poll(device_code), poll(device_code), poll(device_code)])
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 400, 400])
  })

  test.each([
    { why: 'nobody gave out', code: 'ab'.repeat(32) },
    { why: 'is no code', code: 'x' },
  ])('says expired_token to a code that $why', async ({ code }) => {
    expect(await poll(code)).toMatchObject({ status: 400, body: { error: 'expired_token' } })
  })

  test('says expired_token after five minutes, approved or not', async () => {
    const [first, second] = [await start(), await start()]
    await answer(second.user_code, true)
    door.pass(300)
    for (const { device_code } of [first, second]) {
      expect(await poll(device_code)).toMatchObject({ status: 400, body: { error: 'expired_token' } })
    }
    expect((await answer(first.user_code, true)).status).toBe(400)
  })

  test('says access_denied with 403 once somebody has said no', async () => {
    const { device_code, user_code } = await start()
    expect((await answer(user_code, false)).body).toEqual({ status: 'denied' })
    expect(await poll(device_code)).toMatchObject({ status: 403, body: { error: 'access_denied' } })
    expect((await answer(user_code, true)).status).toBe(400)
    expect(await door.events('device.denied')).toMatchObject([{ outcome: 'allow' }])
  })

  test('says what is wrong with a body', async () => {
    expect(await door.post(TOKEN, '{')).toMatchObject({
      status: 400,
      body: { error: 'Invalid request body', details: 'not valid JSON' },
    })
    expect((await door.form(TOKEN, { device_code: 'x' })).status).toBe(400)
    expect((await door.post(CODE, { device_info: { text: 'x'.repeat(3_000) } })).status).toBe(400)
    expect((await door.post(CODE, { scopes: 'openid' })).status).toBe(400)
  })

  test('limits the session to permissions that were asked for', async () => {
    const { device_code, user_code } = await start({ scopes: ['openid', 'billing:read'] })
    await answer(user_code, true, ADMIN)
    const { body } = await poll(device_code)
    const { body: seen } = await door.post('/authmgr/token/verify', { token: body.access_token })
    expect(seen.scopes).toEqual(['billing:read'])
    expect((await door.get('/authsec/uflow/delegation-policies', body.access_token)).status).toBe(403)
  })

  test('refuses to wait for more than a thousand answers', async () => {
    let last: Answer | undefined
    for (let index = 0; index < 20; index++) {
      const answers = await Promise.all(Array.from({ length: 51 }, () => door.post(CODE, {})))
      last = answers.find(({ status }) => status === 429)
    }
    expect(last?.status).toBe(429)
    // Whoever says who it is waits for none of those who do not.
    const named = await door.form('/oauth/device_authorization', { client_id: door.server.clientId })
    expect(named.status).toBe(200)
    door.pass(300)
    expect((await door.post(CODE, {})).status).toBe(200)
  })
})

describe('a user code', () => {
  test('is shown with what the device says of itself', async () => {
    const { user_code } = await start({ device_info: { name: 'tv' }, scopes: ['openid'] })
    const { status, body } = await door.get(`${INFO}?user_code=${user_code}`)
    expect(status).toBe(200)
    expect(body).toEqual({
      success: true,
      user_code,
      tenant_domain: '127.0.0.1',
      device_info: { name: 'tv' },
      scopes: ['openid'],
      expires_at: formatTime(door.now() + 300_000),
    })
    expect((await door.post(VERIFY, { user_code })).body).toEqual({
      valid: true,
      device_code_id: expect.any(String),
      expires_in: 300,
    })
  })

  test('may be typed in small letters and without the dash', async () => {
    const { user_code } = await start()
    const typed = ` ${user_code.toLowerCase().replace('-', ' ')} `
    expect((await door.post(VERIFY, { user_code: typed })).body.valid).toBe(true)
  })

  test('that nobody waits for is invalid, in the words of each endpoint', async () => {
    expect(await door.get(`${INFO}?user_code=AAAA-AAAA`)).toMatchObject({
      status: 400,
      body: { error: 'Invalid or expired user code', details: expect.any(String) },
    })
    expect(await door.post(VERIFY, { user_code: 'AAAA-AAAA' })).toMatchObject({
      status: 200,
      body: { valid: false, error: 'invalid_code' },
    })
    expect(await door.events('device.read', 2)).toMatchObject([{ outcome: 'deny' }, { outcome: 'deny' }])
  })

  test('cannot be guessed: ten misses are all there are in five minutes', async () => {
    const { user_code } = await start()
    const token = await door.login(ALICE)
    for (let guess = 0; guess < 10; guess++) await door.post(VERIFY, { user_code: `AAAA-AAA${guess}` })
    const late = await door.post(VERIFY, { user_code })
    expect(late.status).toBe(429)
    expect(late.headers.get('retry-after')).toBe('300')
    expect((await door.get(`${INFO}?user_code=${user_code}`)).status).toBe(429)
    expect((await door.post(AUTHORIZE, { user_code, approved: true }, token)).status).toBe(429)
    door.pass(300)
    const { user_code: fresh } = await start()
    expect((await door.post(VERIFY, { user_code: fresh })).body.valid).toBe(true)
  })

  test('cannot be guessed from ever other addresses of one network either', async () => {
    const far = await openDoor({ proxies: ['127.0.0.1'] })
    const guess = async (address: string) => {
      const headers = { 'content-type': 'application/json', 'x-forwarded-for': address }
      const body = JSON.stringify({ user_code: 'AAAA-AAAA' })
      return (await fetch(`${far.server.url}${VERIFY}`, { method: 'POST', headers, body })).status
    }
    for (let host = 0; host < 10; host++) expect(await guess(`2001:db8:0:1::${host}`)).toBe(200)
    expect(await guess('2001:db8:0:1:ffff::')).toBe(429)
    expect(await guess('2001:db8:0:2::')).toBe(200)
    await far.server.close()
  })

  test.each([
    { why: 'nobody', token: async () => undefined, status: 401 },
    { why: 'a token of nobody', token: async () => 'abc', status: 401 },
  ])('is not answered by $why', async ({ token, status }) => {
    const { user_code } = await start()
    expect((await door.post(AUTHORIZE, { user_code, approved: true }, await token())).status).toBe(status)
  })

  test('is not answered by leaving the answer out', async () => {
    const { device_code, user_code } = await start()
    const token = await door.login(ALICE)
    expect((await door.post(AUTHORIZE, { user_code }, token)).status).toBe(400)
    expect((await door.post(AUTHORIZE, { user_code, approved: 'true' }, token)).status).toBe(400)
    expect((await poll(device_code)).body.error).toBe('authorization_pending')
  })

  test('is answered in older words too', async () => {
    const { device_code, user_code } = await start()
    const token = await door.login(BOB)
    const { body } = await door.post('/uflow/auth/device/verify-legacy', { user_code, approve: true }, token)
    expect(body).toEqual({ success: true, message: 'Device authorized' })
    expect((await poll(device_code)).body.email).toBe(BOB)
  })
})

describe('the device grant of RFC 8628', () => {
  const authorize = (fields: Record<string, string> = {}) =>
    door.form('/oauth/device_authorization', { client_id: door.server.clientId, ...fields })
  const exchange = (device_code: string, fields: Record<string, string> = {}) =>
    door.form('/oauth/token', {
      grant_type: GRANT,
      device_code,
      client_id: door.server.clientId,
      ...fields,
    })

  test.each([
    { why: 'no client', fields: { client_id: '' }, status: 401, error: 'invalid_client' },
    {
      why: 'an unknown client',
      fields: { client_id: '00000000-0000-4000-8000-000000000000' },
      status: 401,
      error: 'invalid_client',
    },
    {
      why: 'a secret of a client that has none',
      fields: { client_secret: 'x' },
      status: 401,
      error: 'invalid_client',
    },
    {
      why: 'a scope that is no permission',
      fields: { scope: 'everything' },
      status: 400,
      error: 'invalid_scope',
    },
    {
      why: 'a resource',
      fields: { resource: 'https://billing.example' },
      status: 400,
      error: 'invalid_target',
    },
  ])('refuses $why, and records it', async ({ fields, status, error }) => {
    const answer = await authorize(fields as Record<string, string>)
    expect(answer).toMatchObject({ status, body: { error } })
    expect(await door.events('device.requested')).toMatchObject([
      { id: answer.body.authsec_audit, outcome: 'deny', reason: error },
    ])
  })

  test('waits five seconds longer for each slow_down', async () => {
    const { body } = await authorize()
    const error = async () => (await exchange(body.device_code)).body.error
    expect(await error()).toBe('authorization_pending')
    door.pass(4)
    expect(await error()).toBe('slow_down')
    door.pass(9)
    expect(await error()).toBe('slow_down')
    door.pass(15)
    expect(await error()).toBe('authorization_pending')
  })

  test('refuses the code of another client, of another contract, used or expired', async () => {
    const { body: other } = await door.post(
      `/authsec/clientms/tenants/${door.server.tenantId}/clients/create`,
      { name: 'other', email: 'other@authsec.test', client_type: 'ai_agent', agent_type: 'langchain' },
      door.server.adminToken,
    )
    const { body } = await authorize()
    await answer(body.user_code, true)
    expect((await exchange(body.device_code, { client_id: other.client_id })).body.error).toBe(
      'invalid_grant',
    )
    expect((await poll(body.device_code)).body.error).toBe('expired_token')
    const json = await start()
    expect((await exchange(json.device_code)).body.error).toBe('invalid_grant')
    expect((await exchange(body.device_code)).status).toBe(200)
    expect((await exchange(body.device_code)).body.error).toBe('invalid_grant')

    const { body: late } = await authorize()
    door.pass(300)
    expect((await exchange(late.device_code)).body.error).toBe('expired_token')
    expect((await exchange('')).body.error).toBe('invalid_request')
  })

  test('says access_denied once somebody has said no', async () => {
    const { body } = await authorize()
    await answer(body.user_code, false)
    expect(await exchange(body.device_code)).toMatchObject({ status: 400, body: { error: 'access_denied' } })
  })

  test('gives the client a session of the user, without the administration of the server', async () => {
    const { body } = await authorize()
    await answer(body.user_code, true, ADMIN)
    const response = await exchange(body.device_code)
    expect(response.status).toBe(200)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(response.body).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 3_600,
      scope: 'billing:read billing:refund orders:read profile:read',
      authsec_audit: expect.any(String),
    })
    expect(decodeJwt(response.body.access_token)).toMatchObject({
      client_id: door.server.clientId,
      email_id: ADMIN,
    })
    expect(await door.events('session.started')).toMatchObject([
      { id: response.body.authsec_audit, actor: { type: 'client' }, client: door.server.clientId },
    ])
  })

  test('gives what was asked for and no more, admin:access only by its name', async () => {
    const { body } = await authorize({ scope: 'openid admin:access' })
    await answer(body.user_code, true, ADMIN)
    expect((await exchange(body.device_code)).body.scope).toBe('admin:access')

    const { body: beyond } = await authorize({ scope: 'admin:access' })
    await answer(beyond.user_code, true, ALICE)
    expect((await exchange(beyond.device_code)).body.error).toBe('access_denied')
  })

  test('gives a session whose client stands in the log as the one who acts', async () => {
    const { body } = await authorize({ scope: 'admin:access' })
    await answer(body.user_code, true, ADMIN)
    const { access_token } = (await exchange(body.device_code)).body
    const resource = { uri: 'https://held.example', permissions: ['held:read'] }
    for (const status of [201, 409]) {
      expect((await door.post('/admin/resources', resource, access_token)).status).toBe(status)
    }
    const { clientId: client_id } = door.server
    const act = { sub: expect.stringMatching(/^spiffe:/), client_id }
    expect(await door.events('resource.created', 2)).toMatchObject([
      { outcome: 'allow', actor: { type: 'user' }, act },
      { outcome: 'deny', actor: { type: 'user' }, act },
    ])
    const authorization = `Bearer ${access_token}`
    for (const [path, type] of [
      ['/oauth/introspect', 'token.introspected'],
      ['/oauth/revoke', 'token.revoked'],
    ] as const) {
      expect((await door.form(path, { token: access_token }, { authorization })).status).toBe(200)
      expect(await door.events(type)).toMatchObject([{ outcome: 'allow', actor: { type: 'user' }, act }])
    }
  })

  test.each([
    { name: 'reader', status: 201, outcome: 'allow' },
    { name: 7, status: 400, outcome: 'deny' },
  ])('gives a session whose client stands in the log as the one who registers: $outcome', async (row) => {
    const { body } = await authorize({ scope: 'admin:access' })
    await answer(body.user_code, true, ADMIN)
    const { access_token } = (await exchange(body.device_code)).body
    const metadata = { client_name: row.name, token_endpoint_auth_method: 'none' }
    expect((await door.post('/oauth/register', metadata, access_token)).status).toBe(row.status)
    expect(await door.events('client.registered')).toMatchObject([
      { outcome: row.outcome, actor: { type: 'user' }, act: { client_id: door.server.clientId } },
    ])
  })

  test('gives a session that its client exchanges for call tokens, and no other client', async () => {
    const { body: other } = await door.post(
      `/authsec/clientms/tenants/${door.server.tenantId}/clients/create`,
      { name: 'third', email: 'third@authsec.test', client_type: 'ai_agent', agent_type: 'langchain' },
      door.server.adminToken,
    )
    const { body } = await authorize({ scope: 'billing:read billing:refund' })
    await answer(body.user_code, true)
    const { body: held } = await exchange(body.device_code)
    const present = (client_id: string, fields: Record<string, string> = {}) =>
      door.form('/oauth/token', {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: held.access_token,
        subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
        resource: 'https://billing.example',
        client_id,
        ...fields,
      })
    expect((await present(other.client_id)).body).toMatchObject({
      error: 'invalid_grant',
      error_description: expect.stringContaining('held by another client'),
    })
    // The person let it have more than the policy lets an agent of its kind do.
    expect((await present(door.server.clientId, { scope: 'billing:refund' })).body.error).toBe(
      'invalid_scope',
    )
    expect((await present(door.server.clientId, { resource: 'https://orders.example' })).status).toBe(400)
    const call = await present(door.server.clientId)
    expect(call.status).toBe(200)
    expect(decodeJwt(call.body.access_token)).toMatchObject({
      scope: 'billing:read',
      aud: 'https://billing.example',
      authsec_grant: 'user',
      act: { client_id: door.server.clientId },
    })
  })

  test('gives a session that may not let other devices in', async () => {
    const { body } = await authorize()
    await answer(body.user_code, true)
    const { body: held } = await exchange(body.device_code)
    const { user_code } = await start()
    const refused = await door.post(AUTHORIZE, { user_code, approved: true }, held.access_token)
    expect(refused).toMatchObject({ status: 403, body: { error: 'insufficient_scope' } })
    expect(await door.events('device.approved')).toMatchObject([{ outcome: 'deny' }])
  })
})
