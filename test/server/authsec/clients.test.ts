import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../../support/running-server.js'

const STRANGER = '11111111-2222-4333-8444-555555555555'

let server: TestServer
let clients: string

beforeAll(async () => {
  server = await startTestServer()
  clients = `/authsec/clientms/tenants/${server.tenantId}/clients`
})
afterAll(() => server.close())

const call = (method: string, path: string, json?: object) =>
  server.call(method, `${clients}${path}`, { admin: true, json })
const create = async (name: string, more: object = {}): Promise<string> =>
  (await call('POST', '/create', { name, email: `${name.replace(' ', '-')}@authsec.test`, ...more })).json.id
const names = async (query: string) => {
  const { json } = await call('GET', `/getClients?limit=100&${query}`)
  return json.clients.map(({ name }: { name: string }) => name)
}
const lastEvent = async (filter: string) =>
  (await server.call('GET', `/audit/events?filter=${filter}&last=1`, { admin: true })).json.events[0].event

describe('changing a client', () => {
  test.each(['PUT', 'PATCH'])('%s changes what it names and nothing else', async (method) => {
    const id = await create(`before-${method}`, { client_type: 'ai_agent', agent_type: 'crewai' })
    server.now += 1_000
    const { status, json } = await call(method, `/${id}`, {
      name: `after-${method}`,
      tags: ['billing', 'x,y'],
      hydra_client_id: 'h',
      oidc_enabled: true,
      status: 'Inactive',
    })
    expect(status).toBe(200)
    expect(json).toEqual({
      id,
      client_id: id,
      tenant_id: server.tenantId,
      project_id: server.tenantId,
      owner_id: server.tenantId,
      org_id: server.tenantId,
      name: `after-${method}`,
      status: 'Inactive',
      email: `before-${method}@authsec.test`,
      tags: ['billing', 'x,y'],
      active: false,
      mfa_enabled: false,
      oidc_enabled: true,
      hydra_client_id: 'h',
      client_type: 'ai_agent',
      agent_type: 'crewai',
      spiffe_id: `spiffe://example.org/tenants/${server.tenantId}/agents/crewai/${id}`,
      created_at: expect.any(String),
      updated_at: new Date(server.now).toISOString().replace(/\.\d+/, ''),
    })
    expect((await call('GET', `/${id}`)).json).toEqual(json)
    expect(await lastEvent('type=client.updated')).toMatchObject({ outcome: 'allow', client: id })
  })

  test.each([
    { why: 'a name of spaces', json: { name: ' ' }, error: /^name/ },
    { why: 'an address that is none', json: { email: 'a' }, error: /^email/ },
    { why: 'a tag that is empty', json: { tags: [''] }, error: /^tags/ },
    { why: 'a status that AuthSec does not have', json: { status: 'Asleep' }, error: /^status "Asleep"/ },
    { why: 'a flag that is none', json: { active: 'yes' }, error: /^active/ },
  ])('is refused with $why', async ({ json, error }) => {
    const id = await create('unchanged')
    const before = (await call('GET', `/${id}`)).json
    expect(await call('PUT', `/${id}`, json)).toMatchObject({
      status: 400,
      json: { error: expect.stringMatching(error) },
    })
    expect((await call('GET', `/${id}`)).json).toEqual(before)
    expect(await lastEvent('type=client.updated')).toMatchObject({ outcome: 'deny' })
  })

  test('protects the default client as AuthSec does', async () => {
    const id = await create('Default client')
    expect(await call('PATCH', `/${id}`, { name: 'mine' })).toMatchObject({
      status: 500,
      json: { error: 'Default client cannot be updated' },
    })
    const target = { tenant_id: server.tenantId, client_id: id }
    expect(await call('POST', '/delete-complete', target)).toMatchObject({
      status: 403,
      json: { error: 'Default client cannot be deleted' },
    })
    expect(await lastEvent('type=client.deleted')).toMatchObject({ outcome: 'deny', client: id })
  })

  test.each([
    ['GET', `/${STRANGER}`, undefined],
    ['PUT', `/${STRANGER}`, {}],
    ['PATCH', '/x', {}],
    ['PATCH', `/${STRANGER}/activate`, undefined],
    ['PATCH', `/${STRANGER}/deactivate`, undefined],
    ['PATCH', `/${STRANGER}/soft-delete`, undefined],
    ['DELETE', `/${STRANGER}`, undefined],
  ])('%s %s is 404', async (method, path, json) => {
    expect(await call(method, path, json)).toMatchObject({
      status: 404,
      json: { error: expect.stringMatching(/^no client/) },
    })
  })

  test.each([
    ['GET', '/getClients'],
    ['POST', '/getClients'],
    ['GET', '/platform-selectors'],
    ['PUT', `/${STRANGER}`],
    ['PATCH', `/${STRANGER}/activate`],
    ['DELETE', `/${STRANGER}`],
    ['POST', '/set-status'],
    ['POST', '/delete-complete'],
  ])('%s %s of another tenant is 403', async (method, path) => {
    const other = `/clientms/tenants/${STRANGER}/clients${path}`
    const json = ['GET', 'DELETE'].includes(method)
      ? undefined
      : { tenant_id: server.tenantId, client_id: STRANGER }
    expect(await server.call(method, other, { admin: true, json })).toMatchObject({
      status: 403,
      json: { error: 'tenant ID mismatch between token and URL' },
    })
  })

  test.each(['/set-status', '/delete-complete'])('%s of another tenant in the body is 403', async (path) => {
    const json = { tenant_id: STRANGER, client_id: server.clientId }
    expect(await call('POST', path, json)).toMatchObject({ status: 403 })
    expect(await call('POST', path, { client_id: server.clientId })).toMatchObject({
      status: 400,
      json: { error: 'tenant_id is required' },
    })
    expect(await call('POST', path, { tenant_id: server.tenantId })).toMatchObject({
      status: 400,
      json: { error: 'client_id is required' },
    })
  })
})

describe('lists', () => {
  test('filter by e-mail, tags, state and what is deleted', async () => {
    const gone = await create('list-gone')
    await call('PUT', `/${await create('list-one')}`, { tags: ['red', 'round'] })
    await call('PUT', `/${await create('list-two')}`, { tags: ['red'], active: false })
    await call('DELETE', `/${gone}`)
    expect(await names('email=LIST-')).toEqual(expect.arrayContaining(['list-two', 'list-one']))
    expect(await names('email=LIST-')).not.toContain('list-gone')
    expect(await names('tags=red,round')).toEqual(['list-one'])
    expect(await names('tags=re')).toEqual([])
    expect(await names('name=list-&status=Inactive')).toEqual(['list-two'])
    expect(await names('name=list-&active=true')).toEqual(['list-one'])
    expect(await names('name=list-&active_only=true')).toEqual(['list-one'])
    expect(await names('status=deleted')).toEqual(['list-gone'])
    expect(await names('deleted=true')).toEqual(['list-gone'])
  })

  test('say beside each client what AuthSec says there', async () => {
    const { json } = await call('GET', '/getClients?name=demo-agent')
    expect(json.hydra_public_url).toBe('')
    expect(json.clients[0]).toMatchObject({ authentication_methods: [], user_count: 0, deleted: false })
    const { json: admin } = await server.call('GET', '/authsec/clientms/admin/clients/?name=demo-agent', {
      admin: true,
    })
    expect(admin).toEqual(json)
  })

  test('have an older form', async () => {
    const { json } = await call('POST', '/getClients', { tenant_id: server.tenantId, active_only: true })
    expect(json).toEqual({
      message: expect.any(String),
      success: true,
      data: {
        tenant_id: server.tenantId,
        clients: expect.any(Array),
        count: json.data.clients.length,
        active_only: true,
      },
      timestamp: expect.stringMatching(/^2026-11-24T09:00:\d\dZ$/),
    })
    expect(json.data.clients.every(({ active }: { active: boolean }) => active)).toBe(true)
  })

  test.each(['status=Asleep', 'active=yes', 'deleted=1'])('are refused with %s', async (query) => {
    expect((await call('GET', `/getClients?${query}`)).status).toBe(400)
  })
})

describe('platform selectors', () => {
  test.each([
    ['kubernetes', ['k8s:ns', 'k8s:sa', 'k8s:pod-label:app', 'k8s:container-name']],
    ['docker', ['docker:label:app', 'docker:image-id', 'docker:container-id']],
    ['unix', ['unix:uid', 'unix:gid']],
  ])('of %s', async (platform, keys) => {
    expect((await call('GET', `/platform-selectors?platform=${platform}`)).json).toEqual({
      platform,
      selector_keys: keys,
    })
  })

  test('of anything else name what there is', async () => {
    expect(await call('GET', '/platform-selectors?platform=constructor')).toMatchObject({
      status: 400,
      json: {
        error: 'unsupported platform "constructor"',
        supported_platforms: ['kubernetes', 'docker', 'unix'],
      },
    })
    expect(await lastEvent('type=client.read')).toMatchObject({ outcome: 'deny' })
  })
})

test.each([
  ['/authsec/uflow/health', { status: 'healthy', service: 'user-flow' }],
  ['/authsec/clientms/health', { status: 'healthy', service: 'clients-microservice' }],
  ['/clientms/health', { status: 'healthy', service: 'clients-microservice' }],
  ['/authsec/authmgr/health', { status: 'healthy', service: 'auth-manager', version: expect.any(String) }],
  ['/authsec/exsvc/health', { status: 'ok', service: 'external-service' }],
  ['/authsec/spire/health', { status: 'healthy', service: 'spire' }],
])('%s is healthy', async (path, json) => {
  expect(await server.call('GET', path)).toMatchObject({ status: 200, json })
})

// The last ones: they take the seeded agent away.
describe('a client that may not act', () => {
  test('can neither pull nor exchange from that moment on, and can again when it may', async () => {
    const token = await server.pull()
    const pull = () => server.call('GET', `/uflow/sdk/delegation-token?client_id=${server.clientId}`)
    const path = `/${server.clientId}`
    for (const [off, on] of [
      [() => call('PATCH', `${path}/deactivate`), () => call('PATCH', `${path}/activate`)],
      [() => call('PUT', path, { active: false }), () => call('PUT', path, { status: 'Active' })],
      [
        () => call('POST', '/set-status', { ...target(), active: false }),
        () => call('POST', '/set-status', { ...target(), active: true }),
      ],
    ] as const) {
      expect(await server.exchange({ subject_token: token })).toMatchObject({ status: 200 })
      const reply = await off()
      expect(reply.status).toBe(200)
      expect(await pull()).toMatchObject({ status: 404 })
      expect(await server.exchange({ subject_token: token })).toMatchObject({
        json: { error: expect.stringMatching(/^invalid_(?:grant|client)$/) },
      })
      expect(await lastEvent('type=token.exchanged')).toMatchObject({ outcome: 'deny' })
      expect((await on()).status).toBe(200)
    }
  })

  const target = () => ({ tenant_id: server.tenantId, client_id: server.clientId })

  test('answers a change of its state in AuthSec’s forms', async () => {
    const path = `/${server.clientId}`
    const { json: client } = await call('GET', path)
    expect((await call('PATCH', `${path}/activate`)).json).toEqual({ message: expect.any(String), client })
    expect((await call('POST', '/set-status', { ...target(), active: true })).json).toEqual({
      message: expect.any(String),
      success: true,
      data: { ...target(), active: true, client },
      timestamp: expect.any(String),
    })
    expect(await lastEvent('type=client.activated')).toMatchObject({ client: server.clientId })
  })

  test('is gone for everybody once deleted', async () => {
    const token = await server.pull()
    const path = `/${server.clientId}`
    expect((await call('PATCH', `${path}/soft-delete`)).json).toEqual({
      message: 'Client soft deleted successfully',
      id: server.clientId,
      deleted: true,
    })
    expect(await call('DELETE', path)).toMatchObject({ status: 404 })
    expect(await call('PATCH', `${path}/activate`)).toMatchObject({ status: 404 })
    expect(await server.call('GET', `/uflow/admin/agents${path}`, { admin: true })).toMatchObject({
      status: 404,
    })
    expect(
      await server.call('GET', `/uflow/sdk/delegation-token?client_id=${server.clientId}`),
    ).toMatchObject({ status: 404, json: { error: 'Client not found' } })
    expect((await server.exchange({ subject_token: token })).status).toBeGreaterThanOrEqual(400)
  })

  test('leaves nothing behind once deleted completely', async () => {
    const id = await create('bound', { client_type: 'ai_agent', agent_type: 'bound' })
    const policy = {
      role_name: 'admin',
      agent_type: 'bound',
      allowed_permissions: ['billing:read'],
      client_id: id,
    }
    const created = await server.call('POST', '/uflow/delegation-policies', { admin: true, json: policy })
    expect(created.json.delegate_token.status).toBe('issued')
    const body = { tenant_id: server.tenantId, client_id: id }
    expect(await call('POST', '/delete-complete', body)).toMatchObject({
      status: 200,
      json: { message: 'Client deleted completely', ...body },
    })
    expect(await call('POST', '/delete-complete', body)).toMatchObject({ status: 404 })
    expect(
      await server.call('GET', `/uflow/delegation-policies/${created.json.policy.id}`, { admin: true }),
    ).toMatchObject({ status: 404 })
    expect(
      await server.exchange({ client_id: id, subject_token: created.json.delegate_token.token }),
    ).toMatchObject({ status: 401, json: { error: 'invalid_client' } })
    // Also what was deleted softly before.
    const seeded = { tenant_id: server.tenantId, client_id: server.clientId }
    expect(await call('POST', '/delete-complete', seeded)).toMatchObject({ status: 200 })
  })
})
