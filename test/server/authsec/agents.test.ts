import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { BILLING, startTestServer, type TestServer } from '../../support/running-server.js'

const AGENTS = '/authsec/uflow/admin/agents'
const STRANGER = '11111111-2222-4333-8444-555555555555'

let server: TestServer
let personId: string

beforeAll(async () => {
  server = await startTestServer()
  const json = { name: 'web', email: 'web@authsec.test' }
  const path = `/authsec/clientms/tenants/${server.tenantId}/clients/create`
  personId = (await server.call('POST', path, { json, admin: true })).json.id
})
afterAll(() => server.close())

const call = (method: string, path: string, json?: object) =>
  server.call(method, `${AGENTS}${path}`, { admin: true, json })

describe('agents', () => {
  test('are listed with what AuthSec says of them, and nothing that is no agent', async () => {
    const agent = {
      id: server.clientId,
      client_id: server.clientId,
      tenant_id: server.tenantId,
      name: 'demo-agent',
      email: 'demo-agent@authsec.test',
      status: 'Active',
      active: true,
      client_type: 'ai_agent',
      agent_type: 'langchain',
      spiffe_id: `spiffe://example.org/tenants/${server.tenantId}/agents/langchain/${server.clientId}`,
      created_at: '2026-11-24T09:00:00Z',
      updated_at: '2026-11-24T09:00:00Z',
    }
    expect(await call('GET', '')).toMatchObject({ status: 200, json: { agents: [agent], total: 1 } })
    expect((await call('GET', `/${server.clientId}`)).json).toEqual(agent)
    expect((await server.call('GET', '/uflow/admin/agents', { admin: true })).json.total).toBe(1)
  })

  test.each([
    { query: '?agent_type=langchain', total: 1 },
    { query: '?agent_type=crewai', total: 0 },
    { query: '?status=Active', total: 1 },
    { query: '?status=inactive', total: 0 },
  ])('are found by $query', async ({ query, total }) => {
    expect((await call('GET', query)).json).toMatchObject({ total })
  })

  test.each([
    ['GET', '/x', 400, 'Invalid agent ID'],
    ['GET', `/${STRANGER}`, 404, 'Agent not found'],
    ['POST', '/x/provision-identity', 400, 'Invalid agent ID'],
    ['POST', `/${STRANGER}/provision-identity`, 404, 'Agent not found'],
    ['DELETE', '/x/revoke-identity', 400, 'Invalid agent ID'],
    ['DELETE', `/${STRANGER}/revoke-identity`, 404, 'Agent not found'],
    ['POST', '/x/delegate-token', 400, 'Invalid agent ID'],
    ['POST', '/x/revoke-token', 400, 'Invalid agent ID'],
    ['POST', `/${STRANGER}/revoke-token`, 404, 'No active delegation token found for this agent'],
  ])('%s %s is %i %s', async (method, path, status, error) => {
    const json = method === 'POST' ? { parent_id: 'p' } : undefined
    expect(await call(method, path, json)).toMatchObject({ status, json: { error } })
  })

  test.each([
    ['GET', ''],
    ['GET', `/${STRANGER}`],
    ['POST', `/${STRANGER}/provision-identity`],
    ['DELETE', `/${STRANGER}/revoke-identity`],
  ])('%s %s needs a session', async (method, path) => {
    expect(await server.call(method, `${AGENTS}${path}`)).toMatchObject({
      status: 401,
      json: { error: 'authorization header required' },
    })
  })

  test('that are none are not found', async () => {
    expect(await call('GET', `/${personId}`)).toMatchObject({
      status: 404,
      json: { error: 'Agent not found' },
    })
  })
})

describe('delegating to an agent', () => {
  const delegate = (id: string, json: object) => call('POST', `/${id}/delegate-token`, json)

  // Each has every later fault too: the order of the checks is part of the contract.
  test.each([
    { why: 'an id that is none', id: () => 'x', json: {}, status: 400, error: 'Invalid agent ID' },
    {
      why: 'no agent type',
      id: () => STRANGER,
      json: {},
      status: 400,
      error: 'Invalid request: agent_type is required',
    },
    {
      why: 'no audience',
      id: () => STRANGER,
      json: { agent_type: 'x' },
      status: 400,
      error: 'Invalid request: audience is required',
    },
    {
      why: 'a stranger',
      id: () => STRANGER,
      json: { agent_type: 'x', audience: [BILLING] },
      status: 404,
      error: 'Agent not found',
    },
    {
      why: 'a client that is no agent',
      id: () => personId,
      json: { agent_type: 'x', audience: [BILLING] },
      status: 404,
      error: 'Agent not found',
    },
    {
      why: 'a type without a policy',
      id: () => server.clientId,
      json: { agent_type: 'x', audience: [BILLING] },
      status: 403,
      error: 'Delegation not allowed',
    },
  ])('is refused for $why', async ({ id, json, status, error }) => {
    expect(await delegate(id(), json)).toMatchObject({ status, json: { error } })
  })

  test('is refused when the policy allows nothing that the user has, before it is bound to another', async () => {
    const policy = (allowed: string[]) => ({
      role_name: 'admin',
      agent_type: 'langchain',
      allowed_permissions: allowed,
      client_id: personId,
    })
    const { json } = await server.call('POST', '/uflow/delegation-policies', {
      admin: true,
      json: policy(['payroll:read']),
    })
    const asked = { agent_type: 'langchain', audience: [BILLING] }
    expect(await delegate(server.clientId, asked)).toMatchObject({
      status: 403,
      json: { error: 'No permissions to delegate after intersection' },
    })
    const path = `/uflow/delegation-policies/${json.policy.id}`
    await server.call('PUT', path, { admin: true, json: policy(['billing:read']) })
    expect(await delegate(server.clientId, asked)).toMatchObject({
      status: 403,
      json: { error: `Delegation policy is bound to client ${personId}, not ${server.clientId}` },
    })
    await server.call('DELETE', path, { admin: true })
  })
})

describe('the identity of an agent', () => {
  test('is revoked with its delegation, and provisioned again', async () => {
    const token = await server.pull()
    const path = `/${server.clientId}`
    const provision = () =>
      call('POST', `${path}/provision-identity`, { parent_id: 'spiffe://example.org/x' })
    const spiffeId = `spiffe://example.org/tenants/${server.tenantId}/agents/langchain/${server.clientId}`
    expect(await provision()).toMatchObject({
      status: 409,
      json: { error: 'Agent already has a SPIFFE identity', spiffe_id: spiffeId },
    })
    expect((await call('DELETE', `${path}/revoke-identity`)).json).toEqual({
      status: 'revoked',
      client_id: server.clientId,
      message: expect.any(String),
    })
    expect(await call('DELETE', `${path}/revoke-identity`)).toMatchObject({ status: 400 })
    expect(await server.exchange({ subject_token: token })).toMatchObject({
      status: 400,
      json: { error: 'invalid_grant' },
    })
    const asked = { agent_type: 'langchain', audience: [BILLING] }
    expect(await call('POST', `${path}/delegate-token`, asked)).toMatchObject({
      status: 400,
      json: { error: 'Agent does not have a SPIFFE identity. Provision identity first.' },
    })
    expect(await provision()).toEqual(
      expect.objectContaining({
        status: 201,
        json: {
          spiffe_id: spiffeId,
          client_id: server.clientId,
          tenant_id: server.tenantId,
          message: expect.any(String),
        },
      }),
    )
  })

  test('is not given to one that is not active, nor to one of no type', async () => {
    const create = `/authsec/clientms/tenants/${server.tenantId}/clients/create`
    const json = { name: 'typeless', email: 'typeless@authsec.test', client_type: 'ai_agent' }
    const { id } = (await server.call('POST', create, { admin: true, json })).json
    await call('DELETE', `/${id}/revoke-identity`)
    const provision = () => call('POST', `/${id}/provision-identity`, { parent_id: 'x' })
    expect(await provision()).toMatchObject({
      status: 400,
      json: { error: 'agent "typeless" has no agent_type' },
    })
    const path = `/authsec/clientms/tenants/${server.tenantId}/clients/${id}/deactivate`
    await server.call('PATCH', path, { admin: true })
    expect(await provision()).toMatchObject({ status: 400, json: { error: 'Agent is not active' } })
    expect((await call('GET', `/${id}`)).json).not.toHaveProperty('spiffe_id')
  })

  test('needs parent_id', async () => {
    expect(await call('POST', `/${server.clientId}/provision-identity`, {})).toMatchObject({
      status: 400,
      json: { error: 'Invalid request: parent_id is required' },
    })
  })
})

test('roles and permissions are those of the whole tenant', async () => {
  const { json } = await server.call('GET', '/authsec/uflow/admin/me/roles-permissions', { admin: true })
  expect(Object.keys(json)).toEqual(['user_id', 'tenant_id', 'roles', 'permissions', 'scopes', 'resources'])
  expect(json.roles).toEqual(['admin', 'member'])
  expect(json.permissions).toContain('admin:access')
  expect(json.resources).toContain('billing')
})
