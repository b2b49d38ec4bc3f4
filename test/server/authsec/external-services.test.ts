import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DEV_SEED, type Seed } from '../../../src/server/index.js'
import { startTestServer, type TestServer, UUID } from '../../support/running-server.js'
import { formatUnsignedJwt } from '../../support/unsigned-jwt.js'

const SERVICES = '/authsec/exsvc/services'
const STRANGER = '11111111-2222-4333-8444-555555555555'
const SECRET = 'sk-very-secret-value'

// Nobody delegates what they do not have: here admins have what agents need.
const SEED: Seed = {
  ...DEV_SEED,
  roles: {
    ...DEV_SEED.roles,
    admin: [...(DEV_SEED.roles['admin'] ?? []), 'external-service:read', 'external-service:credentials'],
  },
}

let server: TestServer
let agentToken: string
let agentId: string
let policyId: string
let forAgents: string
let forPeople: string

beforeAll(async () => {
  server = await startTestServer({ seed: SEED })
  const path = `/authsec/clientms/tenants/${server.tenantId}/clients/create`
  const agent = { name: 'crew', email: 'crew@authsec.test', client_type: 'ai_agent', agent_type: 'crewai' }
  agentId = (await server.call('POST', path, { admin: true, json: agent })).json.id
  const policy = {
    role_name: 'admin',
    agent_type: 'crewai',
    allowed_permissions: ['external-service:read', 'external-service:credentials'],
    client_id: agentId,
  }
  const { json } = await server.call('POST', '/uflow/delegation-policies', { admin: true, json: policy })
  agentToken = json.delegate_token.token
  policyId = json.policy.id
  forAgents = await create({ name: 'weather', agent_accessible: true })
  forPeople = await create({ name: 'payroll' })
})
afterAll(() => server.close())

const call = (method: string, path: string, json?: object) =>
  server.call(method, `${SERVICES}${path}`, { admin: true, json })
const callAs = (token: string, method: string, path: string, json?: object) =>
  server.call(method, `${SERVICES}${path}`, { json, headers: { authorization: `Bearer ${token}` } })
const create = async (more: object): Promise<string> =>
  (
    await call('POST', '', {
      type: 'rest',
      url: 'https://api.weather.example',
      description: 'd',
      tags: ['t'],
      resource_id: 'r',
      auth_type: 'api_key',
      secret_data: { api_key: SECRET },
      ...more,
    })
  ).json.id
/** The session of the admin that a client has once the admin has confirmed its code. */
async function letIn(client_id: string, scope: string): Promise<string> {
  const asked = await server.call('POST', '/oauth/device_authorization', { form: { client_id, scope } })
  const { device_code, user_code } = asked.json
  const json = { user_code, approved: true }
  await server.call('POST', '/uflow/auth/device/authorize', { admin: true, json })
  const grant_type = 'urn:ietf:params:oauth:grant-type:device_code'
  const form = { grant_type, client_id, device_code }
  return (await server.call('POST', '/oauth/token', { form })).json.access_token
}
const lastEvent = async (filter: string) =>
  (await server.call('GET', `/audit/events?filter=${filter}&last=1`, { admin: true })).json.events[0].event

describe('an external service', () => {
  test('is shown with what AuthSec says of it, and never with its secret', async () => {
    const service = {
      id: forAgents,
      name: 'weather',
      type: 'rest',
      url: 'https://api.weather.example',
      description: 'd',
      tags: ['t'],
      resource_id: 'r',
      auth_type: 'api_key',
      agent_accessible: true,
      created_by: expect.stringMatching(UUID),
      created_at: '2026-11-24T09:00:00Z',
      updated_at: '2026-11-24T09:00:00Z',
    }
    expect((await call('GET', `/${forAgents}`)).json).toEqual(service)
    const list = await server.call('GET', '/exsvc/services', { admin: true })
    expect(list.json.services).toHaveLength(2)
    expect(list.json.services[1]).toEqual(service)
    expect(list.text).not.toContain(SECRET)
  })

  test('gives its credentials to who may have them, and the log says who, not what', async () => {
    expect(await callAs(agentToken, 'GET', `/${forAgents}/credentials`)).toMatchObject({
      status: 200,
      json: {
        service_id: forAgents,
        service_name: 'weather',
        service_type: 'rest',
        auth_type: 'api_key',
        url: 'https://api.weather.example',
        credentials: { api_key: SECRET },
        metadata: {},
        retrieved_at: '2026-11-24T09:00:00Z',
      },
    })
    const event = await lastEvent('type=service.opened')
    expect(event).toMatchObject({
      outcome: 'allow',
      actor: { type: 'client', id: agentId },
      client: agentId,
      details: { service: forAgents },
    })
    expect(JSON.stringify(event)).not.toContain(SECRET)
  })

  test('is changed with new credentials or without, and deleted', async () => {
    const id = await create({ name: 'changing' })
    expect((await call('PUT', `/${id}`, { description: 'new' })).json).toMatchObject({
      name: 'changing',
      description: 'new',
    })
    expect((await call('GET', `/${id}/credentials`)).json.credentials).toEqual({ api_key: SECRET })
    await call('PUT', `/${id}`, { secret_data: { password: 'p' } })
    expect((await call('GET', `/${id}/credentials`)).json.credentials).toEqual({ password: 'p' })
    expect(await call('DELETE', `/${id}`)).toMatchObject({ status: 204, text: '' })
    expect(await call('DELETE', `/${id}`)).toMatchObject({
      status: 404,
      json: { error: 'service not found' },
    })
    expect(await lastEvent('type=service.deleted')).toMatchObject({ outcome: 'deny', reason: 'not_found' })
  })

  test.each([
    { why: 'no name', json: { type: 'rest' }, status: 400, error: 'name is required' },
    { why: 'a name of spaces', json: { name: ' ' }, status: 400, error: 'name is required' },
    {
      why: 'a secret that is none',
      json: { name: 'x', secret_data: SECRET },
      status: 400,
      error: 'secret_data is not an object',
    },
    { why: 'a name that is taken', json: { name: 'weather' }, status: 409, error: /exists already/ },
    { why: 'a long text', json: { name: 'x', url: 'u'.repeat(2049) }, status: 400, error: /^url has more/ },
  ])('is refused with $why', async ({ json, status, error }) => {
    const message = error instanceof RegExp ? expect.stringMatching(error) : error
    const reply = await call('POST', '', json)
    expect(reply).toMatchObject({ status, json: { error: message } })
    expect(reply.text).not.toContain(SECRET)
    expect(await lastEvent('type=service.created')).toMatchObject({ outcome: 'deny' })
  })

  test.each([
    ['GET', ''],
    ['PUT', ''],
    ['DELETE', ''],
    ['GET', '/credentials'],
  ])('that nobody added is 404: %s %s', async (method, path) => {
    for (const id of [STRANGER, 'x']) {
      const json = method === 'PUT' ? {} : undefined
      expect(await call(method, `/${id}${path}`, json)).toMatchObject({
        status: 404,
        json: { error: 'service not found' },
      })
    }
  })
})

describe('an agent', () => {
  test('knows only what is for agents', async () => {
    expect((await callAs(agentToken, 'GET', '')).json.services.map(({ id }: { id: string }) => id)).toEqual([
      forAgents,
    ])
    for (const path of [`/${forPeople}`, `/${forPeople}/credentials`]) {
      expect(await callAs(agentToken, 'GET', path)).toMatchObject({ status: 404 })
    }
  })

  test('knows no more with a session that a person has let it have', async () => {
    const scope = 'admin:access external-service:read external-service:credentials'
    const held = await letIn(agentId, scope)
    for (const path of [`/${forPeople}`, `/${forPeople}/credentials`]) {
      expect(await callAs(held, 'GET', path)).toMatchObject({ status: 404 })
    }
    expect((await callAs(held, 'GET', `/${forAgents}/credentials`)).status).toBe(200)
    expect(await lastEvent('type=service.opened')).toMatchObject({
      actor: { type: 'client', id: agentId },
      subject: { type: 'user' },
      client: agentId,
    })
    expect((await callAs(held, 'DELETE', `/${forAgents}`)).status).toBe(403)
  })

  test.each([
    ['POST', '', { name: 'mine' }],
    ['PUT', '/x', {}],
    ['DELETE', '/x', undefined],
  ])('may not %s %s', async (method, path, json) => {
    expect(await callAs(agentToken, method, path, json)).toMatchObject({
      status: 403,
      json: { error: 'insufficient_scope' },
    })
  })

  test('without the permission may not even look', async () => {
    const seeded = await server.pull()
    const reply = await callAs(seeded, 'GET', '')
    expect(reply).toMatchObject({ status: 403, json: { error: 'insufficient_scope' } })
    expect(reply.headers['www-authenticate']).toBe('Bearer error="insufficient_scope"')
    expect(await lastEvent('type=service.read')).toMatchObject({ outcome: 'deny', reason: 'access_denied' })
  })

  test.each([
    { why: 'nothing', header: () => undefined, error: 'Missing authorization token' },
    { why: 'another scheme', header: () => `Basic ${agentToken}`, error: 'Invalid token format' },
    { why: 'no token', header: () => 'Bearer x', error: 'Invalid token format' },
    {
      why: 'a forged signature',
      header: () => `Bearer ${agentToken.replace(/.{6}$/, 'AAAAAA')}`,
      error: 'SPIFFE token verification failed',
    },
    {
      why: 'an unsigned token',
      header: () => `Bearer ${formatUnsignedJwt({ alg: 'none', typ: 'JWT' }, { sub: 'spiffe://x/y' })}`,
      error: 'SPIFFE token verification failed',
    },
    {
      why: 'a session that is none',
      header: () => `Bearer ${server.adminToken.replace(/.{6}$/, 'AAAAAA')}`,
      error: 'Invalid or expired token',
    },
  ])('is not let in with $why', async ({ header, error }) => {
    const authorization = header()
    const headers = authorization === undefined ? {} : { authorization }
    expect(await server.call('GET', SERVICES, { headers })).toMatchObject({ status: 401, json: { error } })
    expect(await lastEvent('type=service.read')).toMatchObject({ outcome: 'deny', reason: 'login_required' })
  })

  test('is not let in with a call token', async () => {
    const { access_token: callToken } = (await server.exchange()).json
    expect((await callAs(callToken, 'GET', '')).status).toBe(401)
  })

  // The last ones: they take its delegation away.
  test('is not let in with a token for somebody else', async () => {
    const asked = { agent_type: 'crewai', audience: ['https://billing.example'] }
    const path = `/uflow/admin/agents/${agentId}/delegate-token`
    const { json } = await server.call('POST', path, { admin: true, json: asked })
    expect(await callAs(json.token, 'GET', '')).toMatchObject({
      status: 401,
      json: { error: 'Invalid SPIFFE token' },
    })
    // That grant replaced the one before.
    expect(await callAs(agentToken, 'GET', '')).toMatchObject({
      status: 401,
      json: { error: 'SPIFFE token has been revoked or is no longer valid' },
    })
  })

  test('can do no more than its policy and its user allow at that moment', async () => {
    const asked = { agent_type: 'crewai', audience: ['authsec-api'] }
    const path = `/uflow/admin/agents/${agentId}/delegate-token`
    const { token } = (await server.call('POST', path, { admin: true, json: asked })).json
    expect((await callAs(token, 'GET', `/${forAgents}/credentials`)).status).toBe(200)
    const policy = `/uflow/delegation-policies/${policyId}`
    const json = { allowed_permissions: ['external-service:read'] }
    await server.call('PUT', policy, { admin: true, json })
    expect((await callAs(token, 'GET', '')).status).toBe(200)
    expect((await callAs(token, 'GET', `/${forAgents}/credentials`)).status).toBe(403)
    expect(await lastEvent('type=service.opened')).toMatchObject({ outcome: 'deny', client: agentId })
    await server.call('PUT', policy, { admin: true, json: { enabled: false } })
    expect((await callAs(token, 'GET', '')).status).toBe(401)
  })
})
