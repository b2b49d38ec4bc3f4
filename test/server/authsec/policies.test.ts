import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BILLING, startTestServer, type TestServer, UUID } from '../../support/running-server.js'

const POLICIES = '/authsec/uflow/delegation-policies'
const STRANGER = '11111111-2222-4333-8444-555555555555'

let server: TestServer
let agentId: string

beforeAll(async () => {
  server = await startTestServer()
  agentId = await registerAgent('policy-agent')
})
afterAll(() => server.close())

async function registerAgent(name: string, agentType = 'crewai'): Promise<string> {
  const path = `/authsec/clientms/tenants/${server.tenantId}/clients/create`
  const json = { name, email: `${name}@authsec.test`, client_type: 'ai_agent', agent_type: agentType }
  return (await server.call('POST', path, { json, admin: true })).json.id
}

const create = (json: object) => server.call('POST', POLICIES, { json, admin: true })
const put = (id: string, json: object) => server.call('PUT', `${POLICIES}/${id}`, { json, admin: true })
const remove = (id: string) => server.call('DELETE', `${POLICIES}/${id}`, { admin: true })
const lastEvent = async (filter: string) =>
  (await server.call('GET', `/audit/events?filter=${filter}&last=1`, { admin: true })).json.events[0].event

describe('a policy', () => {
  test('is created with every field of AuthSec and ours, without side effects when it names no client', async () => {
    const { status, json } = await create({ role_name: 'member', agent_type: 'autogen' })
    expect(status).toBe(201)
    expect(json).toEqual({
      policy: {
        id: expect.stringMatching(UUID),
        tenant_id: server.tenantId,
        role_name: 'member',
        agent_type: 'autogen',
        allowed_permissions: [],
        resources: ['*'],
        max_ttl_seconds: 3600,
        enabled: true,
        created_by: expect.stringMatching(UUID),
        created_at: '2026-11-24T09:00:00Z',
        updated_at: '2026-11-24T09:00:00Z',
      },
      warnings: [expect.any(String), expect.any(String)],
    })
  })

  test('is shown bare, changed bare, and deleted', async () => {
    const { id } = (await create({ role_name: 'member', agent_type: 'shown', enabled: false })).json.policy
    const shown = await server.call('GET', `${POLICIES}/${id}`, { admin: true })
    expect(shown.json).toMatchObject({ id, enabled: false, agent_type: 'shown' })

    const changed = await put(id, { enabled: true, max_ttl_seconds: 60, client_id: agentId })
    expect(changed.status).toBe(200)
    expect(changed.json).toMatchObject({ id, enabled: true, max_ttl_seconds: 60, client_id: agentId })
    const cleared = await put(id, { client_id: '' })
    expect(cleared.json).not.toHaveProperty('client_id')
    expect(cleared.json).toMatchObject({ max_ttl_seconds: 60 })

    expect(await remove(id)).toMatchObject({ status: 200, json: { status: 'deleted', id } })
    expect(await remove(id)).toMatchObject({ status: 404 })
    expect(await lastEvent('type=policy.deleted')).toMatchObject({ outcome: 'deny', reason: 'not_found' })
  })

  test('tells at a change too what it allows beyond what may have been meant', async () => {
    const { id } = (await create({ role_name: 'member', agent_type: 'widened', enabled: false })).json.policy
    const { json } = await put(id, { allowed_permissions: ['billing:read'], resources: [BILLING] })
    expect(json).not.toHaveProperty('warnings')
    const wide = await put(id, { allowed_permissions: [] })
    expect(wide.json).toMatchObject({ id, allowed_permissions: [], warnings: [expect.any(String)] })
    await remove(id)
  })

  test('is listed as a bare array, newest first, by role, type and state', async () => {
    await create({ role_name: 'member', agent_type: 'listed-1', enabled: false })
    server.now += 1_000
    await create({ role_name: 'member', agent_type: 'listed-2', enabled: false })
    const list = async (query: string) => {
      const { json } = await server.call('GET', `${POLICIES}?${query}`, { admin: true })
      return json.map(({ agent_type: type }: { agent_type: string }) => type)
    }
    expect(await list('enabled=false')).toEqual(['listed-2', 'listed-1'])
    expect(await list('role_name=member&agent_type=listed-1')).toEqual(['listed-1'])
    expect(await list('role_name=nobody')).toEqual([])
  })

  test.each([
    { why: 'no role', json: { agent_type: 'x' }, error: 'Invalid request: role_name is required' },
    { why: 'no type', json: { role_name: 'member' }, error: 'Invalid request: agent_type is required' },
    ...['x'.repeat(257), ' member', 'mem\nber', 'member\u200b', '\u2028'].map((role) => ({
      why: `the role ${JSON.stringify(role).slice(0, 20)}`,
      json: { role_name: role, agent_type: 'x' },
      error: expect.stringMatching(/role_name .* has to have 1 to 256 characters, all of them visible$/),
    })),
    ...['x'.repeat(101), 'x y', 'x/y', '..', 'x\n'].map((type) => ({
      why: `the type ${JSON.stringify(type).slice(0, 20)}`,
      json: { role_name: 'member', agent_type: type },
      error: expect.stringMatching(/agent_type .* may hold letters, digits, dots, dashes and underscores/),
    })),
    {
      why: 'a list that is none',
      json: { role_name: 'member', agent_type: 'x', allowed_permissions: 'a:b' },
      error: 'Invalid request: allowed_permissions "a:b" is not a list of strings',
    },
    {
      why: 'a client id that is none',
      json: { role_name: 'member', agent_type: 'x', client_id: 'x' },
      error: 'Invalid client_id format',
    },
    {
      why: 'a client that nobody registered',
      json: { role_name: 'member', agent_type: 'x', client_id: STRANGER },
      error: 'Client not found or not active',
    },
  ])('is refused with $why, and the log says so', async ({ json, error }) => {
    const reply = await create(json)
    expect(reply).toMatchObject({ status: 400, json: { error } })
    expect(await lastEvent('type=policy.created')).toMatchObject({ outcome: 'deny' })
  })

  test('is refused where its terms are taken, also by a change', async () => {
    const error = 'A delegation policy for this role and agent type already exists'
    await create({ role_name: 'member', agent_type: 'taken' })
    const second = await create({ role_name: 'member', agent_type: 'free' })
    expect(await create({ role_name: 'member', agent_type: 'taken' })).toMatchObject({
      status: 409,
      json: { error },
    })
    expect(await put(second.json.policy.id, { agent_type: 'taken' })).toMatchObject({
      status: 409,
      json: { error },
    })
  })

  test.each(['GET', 'PUT', 'DELETE'])(
    '%s knows an id that is none from one that nobody has',
    async (method) => {
      const json = method === 'PUT' ? {} : undefined
      expect(await server.call(method, `${POLICIES}/x`, { admin: true, json })).toMatchObject({
        status: 400,
        json: { error: 'Invalid policy ID' },
      })
      expect(
        await server.call(method, `/uflow/delegation-policies/${STRANGER}`, { admin: true, json }),
      ).toMatchObject({ status: 404, json: { error: 'Delegation policy not found' } })
      expect(await server.call(method, `${POLICIES}/${STRANGER}`, { json })).toMatchObject({ status: 401 })
    },
  )
})

describe('a policy that names an agent', () => {
  test('gives it a token at once, within what its author holds', async () => {
    const clientId = await registerAgent('automatic', 'automatic')
    const { json } = await create({
      role_name: 'admin',
      agent_type: 'automatic',
      allowed_permissions: ['billing:read', 'payroll:read'],
      max_ttl_seconds: 120,
      client_id: clientId,
    })
    expect(json.identity_provision).toEqual({
      status: 'already_provisioned',
      spiffe_id: `spiffe://example.org/tenants/${server.tenantId}/agents/automatic/${clientId}`,
    })
    expect(json.delegate_token).toMatchObject({
      status: 'issued',
      permissions: ['billing:read'],
      audience: ['authsec-api'],
      ttl_seconds: 120,
      expires_at: expect.stringMatching(/^2026-11-24T09:02:0\dZ$/),
    })
    expect(decodeJwt(json.delegate_token.token)).toMatchObject({ permissions: ['billing:read'] })
    expect(await lastEvent('type=delegation.granted')).toMatchObject({ client: clientId, outcome: 'allow' })
  })

  test.each([
    {
      why: 'no permissions',
      json: { role_name: 'admin', agent_type: 'crewai' },
      effect: { status: 'skipped', reason: 'No permissions in policy' },
    },
    {
      why: 'enabled: false',
      json: {
        role_name: 'admin',
        agent_type: 'crewai',
        allowed_permissions: ['billing:read'],
        enabled: false,
      },
      effect: { status: 'skipped', reason: 'Policy is not enabled' },
    },
    {
      why: 'a role that its author lacks',
      json: { role_name: 'member', agent_type: 'crewai', allowed_permissions: ['billing:read'] },
      effect: { status: 'skipped', reason: 'You do not have the role of the policy' },
    },
    {
      why: 'permissions that its author lacks',
      json: { role_name: 'admin', agent_type: 'crewai', allowed_permissions: ['payroll:read'] },
      effect: { status: 'failed', reason: 'the user holds no permission that the policy allows' },
    },
    {
      why: 'a type that is not the agent’s',
      json: { role_name: 'admin', agent_type: 'other', allowed_permissions: ['billing:read'] },
      effect: { status: 'failed', reason: expect.stringContaining('registered as "crewai"') },
    },
  ])('gives it none with $why, and stands all the same', async ({ json, effect }) => {
    const { status, json: body } = await create({ ...json, client_id: agentId })
    expect(status).toBe(201)
    expect(body.delegate_token).toEqual(effect)
    await remove(body.policy.id)
  })

  test('gives an agent whose identity was revoked a new one', async () => {
    const clientId = await registerAgent('renamed', 'renamed')
    await server.call('DELETE', `/authsec/uflow/admin/agents/${clientId}/revoke-identity`, { admin: true })
    const { json } = await create({ role_name: 'admin', agent_type: 'renamed', client_id: clientId })
    expect(json.identity_provision).toEqual({ status: 'provisioned', spiffe_id: expect.any(String) })
  })
})

// The last ones: they take the seeded delegation away.
describe('a change of the policy under a live delegation', () => {
  test.each([
    { change: { enabled: false }, error: 'invalid_grant' },
    { change: { enabled: true, allowed_permissions: ['orders:read'] }, error: 'invalid_scope' },
    {
      change: { allowed_permissions: ['billing:read'], resources: ['https://orders.example'] },
      error: 'invalid_target',
    },
  ])('decides the next exchange: $change', async ({ change, error }) => {
    const token = await server.pull()
    const { json } = await server.call('GET', `${POLICIES}?role_name=member&agent_type=langchain`, {
      admin: true,
    })
    await put(json[0].id, { enabled: true, allowed_permissions: ['billing:read'], resources: [BILLING] })
    expect(await server.exchange({ subject_token: token })).toMatchObject({ status: 200 })
    await put(json[0].id, change)
    const refused = await server.exchange({ subject_token: token })
    expect(refused).toMatchObject({ status: 400, json: { error } })
    expect(await lastEvent('type=token.exchanged')).toMatchObject({ outcome: 'deny', reason: error })
  })

  test('ends it when the policy is deleted', async () => {
    const token = await server.pull()
    const { json } = await server.call('GET', `${POLICIES}?role_name=member&agent_type=langchain`, {
      admin: true,
    })
    expect((await remove(json[0].id)).status).toBe(200)
    expect(await server.exchange({ subject_token: token })).toMatchObject({
      status: 400,
      json: { error: 'invalid_grant' },
    })
    const path = `/uflow/sdk/delegation-token?client_id=${server.clientId}`
    expect(await server.call('GET', path)).toMatchObject({
      status: 404,
      json: { error: 'No active delegation token found' },
    })
  })
})
