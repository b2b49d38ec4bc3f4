import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { DEV_SEED } from '../../src/server/index.js'
import {
  createDelegationClient,
  createServiceClient,
  type PublishedDelegationClient,
} from '../support/published-clients.js'
import { startTestServer, type TestServer } from '../support/running-server.js'

const STRANGER = '11111111-2222-4333-8444-555555555555'
const SERVICE_PERMISSIONS = ['external-service:read', 'external-service:credentials']

let server: TestServer

beforeAll(async () => {
  const admin = [...(DEV_SEED.roles['admin'] ?? []), ...SERVICE_PERMISSIONS]
  server = await startTestServer({ seed: { ...DEV_SEED, roles: { ...DEV_SEED.roles, admin } } })
})
afterAll(() => server.close())

function createClient(clientId = server.clientId, prefix = '/authsec/uflow'): PublishedDelegationClient {
  return createDelegationClient({
    clientId,
    userflowUrl: `${server.url}${prefix}`,
    clock: () => server.now,
  })
}

async function registerAgent(agentType: string): Promise<string> {
  const path = `/clientms/tenants/${server.tenantId}/clients/create`
  const email = `${agentType}@authsec.test`
  const json = { name: agentType, email, client_type: 'ai_agent', agent_type: agentType }
  return (await server.call('POST', path, { admin: true, json })).json.id
}

/** An agent with a policy of its own and the token that comes with it. */
async function delegateTo(agentType: string, ttl: number, allowed = ['billing:read']): Promise<string> {
  const clientId = await registerAgent(agentType)
  const json = {
    role_name: 'admin',
    agent_type: agentType,
    allowed_permissions: allowed,
    max_ttl_seconds: ttl,
    client_id: clientId,
  }
  const created = await server.call('POST', '/uflow/delegation-policies', { admin: true, json })
  expect(created.json.delegate_token.status).toBe('issued')
  return clientId
}

const redelegate = (clientId: string, agentType: string) =>
  server.call('POST', `/uflow/admin/agents/${clientId}/delegate-token`, {
    admin: true,
    json: { agent_type: agentType, audience: ['authsec-api'] },
  })
const revoke = (clientId: string) =>
  server.call('POST', `/uflow/admin/agents/${clientId}/revoke-token`, { admin: true })

describe('DelegationClient', () => {
  test.each(['/uflow', '/authsec/uflow', ''])('pulls from %j and reads what it gets', async (prefix) => {
    const client = createClient(server.clientId, prefix)
    const token = await client.pullToken()
    expect(client.token).toBe(token)
    expect(client.hasPermission('billing:read')).toBe(true)
    expect(client.hasPermission('billing:refund')).toBe(false)
    expect(client.spiffeId).toContain(`/agents/langchain/${server.clientId}`)
    // From expires_at, which every Python can parse: whole seconds and Z.
    expect(client.expiresInSeconds).toBeGreaterThan(23 * 3_600)
  })

  test('keeps its token until five minutes before it expires', async () => {
    const client = createClient(await delegateTo('cached', 3_600))
    const first = await client.ensureToken()
    server.now += (3_600 - 302) * 1000
    expect(await client.ensureToken()).toBe(first)
    expect(client.pulls).toBe(1)
    server.now += 3_000
    // The server issues nothing by itself: it is the same token again.
    expect(await client.ensureToken()).toBe(first)
    expect(client.pulls).toBe(2)
  })

  test('pulls a token of five minutes at every call', async () => {
    const client = createClient(await delegateTo('brief', 300))
    for (let call = 0; call < 3; call++) await client.ensureToken()
    expect(client.pulls).toBe(3)
  })

  test('takes 404 for a client that nobody registered, and for one without a delegation', async () => {
    await expect(createClient(STRANGER).pullToken()).rejects.toMatchObject({
      kind: 'DelegationTokenNotFound',
      message: 'Client not found',
    })
    await expect(createClient(await registerAgent('bare')).pullToken()).rejects.toMatchObject({
      kind: 'DelegationTokenNotFound',
      message: 'No active delegation token found',
    })
  })

  test('takes 404 for a delegation that was revoked', async () => {
    const clientId = await delegateTo('revoked', 3_600)
    const client = createClient(clientId)
    await client.pullToken()
    await revoke(clientId)
    await expect(client.pullToken()).rejects.toMatchObject({ kind: 'DelegationTokenNotFound' })
  })

  test('takes 410 once for one that has expired, then 404, and another that was delegated', async () => {
    const clientId = await delegateTo('expiring', 600)
    const client = createClient(clientId)
    await client.pullToken()
    server.now += 600_000
    await expect(client.ensureToken()).rejects.toMatchObject({
      kind: 'DelegationTokenExpired',
      message: 'Delegation token has expired',
    })
    expect(client.token).toBeUndefined()
    await expect(client.ensureToken()).rejects.toMatchObject({ kind: 'DelegationTokenNotFound' })
    await redelegate(clientId, 'expiring')
    await expect(client.ensureToken()).resolves.toEqual(expect.any(String))
  })

  test('takes another status for what it is', async () => {
    await expect(createClient('x').pullToken()).rejects.toMatchObject({
      kind: 'DelegationError',
      message: 'HTTP 400: Invalid client_id format',
    })
  })

  test('pulls once more after a 401, and goes on with what was delegated meanwhile', async () => {
    const clientId = await delegateTo('retrying', 3_600, ['external-service:read'])
    const client = createClient(clientId)
    const services = `${server.url}/exsvc/services`
    expect((await client.request(services)).status).toBe(200)
    expect(client.pulls).toBe(1)
    await redelegate(clientId, 'retrying')
    expect((await client.request(services)).status).toBe(200)
    expect(client.pulls).toBe(2)
    await revoke(clientId)
    await expect(client.request(services)).rejects.toMatchObject({ kind: 'DelegationTokenNotFound' })
  })
})

describe('ExternalServiceClient', () => {
  test.each(['/exsvc', '/authsec/exsvc'])('reads credentials through %s', async (prefix) => {
    const json = { name: `weather${prefix}`, agent_accessible: true, secret_data: { api_key: 'k' } }
    await server.call('POST', '/exsvc/services', { admin: true, json })
    const clientId = await delegateTo(prefix.replaceAll('/', ''), 3_600, SERVICE_PERMISSIONS)
    const services = createServiceClient(`${server.url}${prefix}`, createClient(clientId))
    expect(await services.healthCheck()).toBe(true)
    expect(await services.getCredentialsByName(`weather${prefix}`)).toEqual({ api_key: 'k' })
    await expect(services.getCredentials(STRANGER)).rejects.toMatchObject({
      kind: 'ExternalServiceNotFoundError',
      message: 'service not found',
    })
  })

  test('takes 403 and 401 for an error of authentication, and does not pull for it', async () => {
    const clientId = await delegateTo('unpermitted', 3_600)
    const delegation = createClient(clientId)
    const services = createServiceClient(`${server.url}/exsvc`, delegation)
    await expect(services.listServices()).rejects.toMatchObject({
      kind: 'ExternalServiceAuthError',
      message: 'insufficient_scope',
    })
    await revoke(clientId)
    await expect(services.listServices()).rejects.toMatchObject({
      kind: 'ExternalServiceAuthError',
      message: 'SPIFFE token has been revoked or is no longer valid',
    })
    expect(delegation.pulls).toBe(1)
  })
})

describe('an answer', () => {
  test.each([
    ['GET', '/uflow/sdk/delegation-token'],
    ['GET', `/uflow/sdk/delegation-token?client_id=${STRANGER}`],
    ['GET', '/nowhere'],
    ['PUT', '/uflow/sdk/delegation-token'],
    ['GET', '/exsvc/services'],
    ['POST', '/spiresvc/v1/jwt/validate'],
    ['GET', '/authsec/logs/status'],
  ])('calls itself JSON whatever its status: %s %s', async (method, path) => {
    const reply = await server.call(method, path)
    expect(reply.status).toBeGreaterThanOrEqual(400)
    expect(reply.headers['content-type']).toBe('application/json')
    expect(reply.json.error).toBeTruthy()
  })
})
