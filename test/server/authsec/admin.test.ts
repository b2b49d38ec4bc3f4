import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ENDPOINTS } from '../../../src/server/endpoints.js'
import { BILLING, startTestServer, type TestServer, UUID } from '../../support/running-server.js'

const STRANGER = '11111111-2222-4333-8444-555555555555'
const SECOND = '2026-11-24T09:00:00Z'
const POLICIES = '/authsec/uflow/delegation-policies'

let server: TestServer
let clients: string
let agent: string
beforeAll(async () => {
  server = await startTestServer()
  clients = `/authsec/clientms/tenants/${server.tenantId}/clients`
  agent = `/authsec/uflow/admin/agents/${server.clientId}`
})
afterAll(() => server.close())

const get = (path: string) => server.call('GET', path, { admin: true })
const post = (path: string, json: unknown) => server.call('POST', path, { admin: true, json })
const createAgent = async (name: string, more: object = {}) =>
  (await post(`${clients}/create`, { name, email: `${name}@authsec.test`, client_type: 'ai_agent', ...more }))
    .json

describe('every endpoint of an admin', () => {
  const doors = ENDPOINTS.filter(({ access }) => access === 'admin').flatMap(({ method, paths }) =>
    paths.map((path) => ({ method, path })),
  )

  test.each(doors)('$method $path refuses everybody else', async ({ method, path }) => {
    const url = path.replace(':tenant', server.tenantId).replace(':id', server.clientId)
    const call = (authorization?: string) =>
      server.call(method, url, { headers: authorization === undefined ? {} : { authorization } })
    const flipped = server.adminToken.replace(/.{5}$/, 'AAAAA')
    // RFC 6750 §3.1: only whoever sent a bearer token is told that it is not valid.
    const [plain, invalid] = ['Bearer', 'Bearer error="invalid_token"']
    for (const [authorization, error, challenge] of [
      [undefined, 'authorization header required', plain],
      ['', 'invalid authorization header format', plain],
      [server.adminToken, 'invalid authorization header format', plain],
      [`Basic ${server.adminToken}`, 'invalid authorization header format', plain],
      [`Bearer ${server.adminToken} x`, 'invalid authorization header format', invalid],
      ['Bearer x', 'Invalid or expired token', invalid],
      [`Bearer ${flipped}`, 'Invalid or expired token', invalid],
      [`Bearer ${await server.pull()}`, 'Invalid or expired token', invalid],
      [`Bearer ${(await server.exchange()).json.access_token}`, 'Invalid or expired token', invalid],
    ] as const) {
      const reply = await call(authorization)
      expect(reply, String(authorization)).toMatchObject({ status: 401, json: { error } })
      expect(reply.headers['www-authenticate']).toBe(challenge)
    }
  })

  test('takes a session for twelve hours', async () => {
    const own = await startTestServer()
    const read = () => own.call('GET', '/admin/resources', { admin: true })
    const start = own.now
    own.now = start + 12 * 3_600_000 - 1_000
    expect((await read()).status).toBe(200)
    own.now = start + 12 * 3_600_000
    expect(await read()).toMatchObject({ status: 401, json: { error: 'Invalid or expired token' } })
    await own.close()
  })
})

describe('clients', () => {
  test.each(['/authsec/clientms', '/clientms'])(
    'are registered at %s as AuthSec answers it',
    async (prefix) => {
      const reply = await post(`${prefix}/tenants/${server.tenantId}/clients/create`, {
        name: 'billing-bot',
        email: 'bot@authsec.test',
        client_type: 'ai_agent',
        agent_type: 'langchain',
        platform: 'kubernetes',
        selectors: { 'k8s:ns': 'prod' },
      })
      expect(reply.status).toBe(201)
      const { id } = reply.json
      expect(id).toMatch(UUID)
      expect(reply.json).toEqual({
        id,
        client_id: id,
        tenant_id: server.tenantId,
        project_id: server.tenantId,
        name: 'billing-bot',
        email: 'bot@authsec.test',
        active: true,
        spiffe_id: `spiffe://example.org/tenants/${server.tenantId}/agents/langchain/${id}`,
        created_at: SECOND,
        message: 'Client registered successfully',
      })
      const shown = await get(
        `${prefix}/tenants/${server.tenantId.toUpperCase()}/clients/${id.toUpperCase()}`,
      )
      expect(shown.json).toEqual({
        id,
        client_id: id,
        tenant_id: server.tenantId,
        project_id: server.tenantId,
        owner_id: server.tenantId,
        org_id: server.tenantId,
        name: 'billing-bot',
        status: 'Active',
        email: 'bot@authsec.test',
        tags: [],
        active: true,
        mfa_enabled: false,
        oidc_enabled: false,
        client_type: 'ai_agent',
        agent_type: 'langchain',
        spiffe_id: `spiffe://example.org/tenants/${server.tenantId}/agents/langchain/${id}`,
        created_at: SECOND,
        updated_at: SECOND,
      })
    },
  )

  test('that are not agents get no SPIFFE id', async () => {
    const reply = await post(`${clients}/create`, { name: 'web', email: 'web@authsec.test' })
    expect(reply.json).not.toHaveProperty('spiffe_id')
    expect((await get(`${clients}/${reply.json.id}`)).json).toMatchObject({ client_type: 'application' })
  })

  test.each([
    { why: 'no name', body: { email: 'a@b' }, error: 'name is required' },
    { why: 'no e-mail', body: { name: 'a' }, error: 'email is required' },
    { why: 'a name of spaces', body: { name: '  ', email: 'a@b' }, error: /^name " {2}" has to have/ },
    { why: 'a long name', body: { name: 'a'.repeat(257), email: 'a@b' }, error: /^name ".*" has to have/ },
    { why: 'no address', body: { name: 'a', email: 'a' }, error: 'email "a" is not an e-mail address' },
    {
      why: 'an agent type that breaks the SPIFFE id',
      body: { name: 'a', email: 'a@b', agent_type: '../x' },
      error: /^agent_type "..\/x" may hold/,
    },
    {
      why: 'an unknown platform',
      body: { name: 'a', email: 'a@b', platform: 'constructor' },
      error: /^platform "constructor" is none of/,
    },
    {
      why: 'a foreign selector',
      body: { name: 'a', email: 'a@b', platform: 'unix', selectors: { 'k8s:ns': 'x' } },
      error: /^selectors "k8s:ns" does not belong/,
    },
    {
      why: 'a selector that is no text',
      body: { name: 'a', email: 'a@b', platform: 'unix', selectors: { 'unix:uid': 0 } },
      error: /^selectors .* is not an object of strings$/,
    },
  ])('are refused with $why, and nothing is kept', async ({ body, error }) => {
    const count = async () => (await get(`${clients}/getClients`)).json.pagination.total
    const before = await count()
    const message = error instanceof RegExp ? expect.stringMatching(error) : error
    expect(await post(`${clients}/create`, body)).toMatchObject({ status: 400, json: { error: message } })
    expect(await count()).toBe(before)
  })

  test('are listed in pages, newest first, and found by a part of the name', async () => {
    for (let number = 0; number < 12; number++) await createAgent(`Paged-${number}`)
    const pages = []
    for (const page of [1, 2, 3]) {
      pages.push((await get(`${clients}/getClients?name=pAGED&active_only=true&page=${page}&limit=5`)).json)
    }
    const names = pages.flatMap((page) => page.clients.map(({ name }: { name: string }) => name))
    expect(new Set(names).size).toBe(12)
    expect(pages.map(({ clients: { length } }) => length)).toEqual([5, 5, 2])
    expect(pages[1].pagination).toEqual({ page: 2, limit: 5, total: 12, total_pages: 3 })
    expect((await get(`${clients}/getClients?name=Paged&page=4&limit=5`)).json.clients).toEqual([])
    expect((await get(`${clients}/getClients?active=false`)).json.clients).toEqual([])
  })

  test.each([
    'page=0',
    'page=x',
    'page=1e1',
    'limit=0',
    'limit=101',
    'limit=-1',
    'limit=',
    'page=99999999999999999',
  ])('are not listed with %s', async (query) => {
    const [name, value] = query.split('=')
    const reply = await get(`${clients}/getClients?${query}`)
    expect(reply.status).toBe(400)
    expect(reply.json.error).toContain(`${name} "${value}" is not a whole number between`)
  })

  test.each([STRANGER, 'x', '%2f', 'getclients'])('are 404 when they are %s', async (id) => {
    expect(await get(`${clients}/${id}`)).toMatchObject({
      status: 404,
      json: { error: expect.stringContaining('no client') },
    })
  })

  test('of another tenant are refused', async () => {
    for (const path of ['getClients', server.clientId]) {
      expect(await get(`/authsec/clientms/tenants/${STRANGER}/clients/${path}`)).toMatchObject({
        status: 403,
        json: { error: 'tenant ID mismatch between token and URL' },
      })
    }
    expect(
      (await post(`/clientms/tenants/${STRANGER}/clients/create`, { name: 'a', email: 'a@b' })).status,
    ).toBe(403)
  })
})

describe('policies', () => {
  const TERMS = {
    role_name: 'admin',
    agent_type: 'crewai',
    allowed_permissions: ['orders:read', 'billing:read'],
  }

  test('are created as AuthSec answers it, once for a role and an agent type', async () => {
    server.now += 1_000
    const reply = await post(POLICIES, { ...TERMS, resources: [BILLING], max_ttl_seconds: 999_999 })
    expect(reply.status).toBe(201)
    expect(reply.json).toEqual({
      policy: {
        id: expect.stringMatching(UUID),
        tenant_id: server.tenantId,
        role_name: 'admin',
        agent_type: 'crewai',
        allowed_permissions: ['billing:read', 'orders:read'],
        resources: [BILLING],
        max_ttl_seconds: 86_400,
        enabled: true,
        created_by: expect.stringMatching(UUID),
        created_at: '2026-11-24T09:00:01Z',
        updated_at: '2026-11-24T09:00:01Z',
      },
      warnings: [expect.stringContaining('1d at most')],
    })
    expect(await post(POLICIES, TERMS)).toMatchObject({
      status: 409,
      json: { error: 'A delegation policy for this role and agent type already exists' },
    })
    const listed = (await get('/uflow/delegation-policies')).json
    expect(listed[0]).toEqual(reply.json.policy)
    expect(listed.at(-1)).toMatchObject({ role_name: 'member', created_by: null })
    server.now -= 1_000
  })

  test('that reach further than they say warn', async () => {
    const reply = await post(POLICIES, { role_name: 'admin', agent_type: 'broad', enabled: false })
    expect(reply.json).toMatchObject({
      policy: { allowed_permissions: [], resources: ['*'], max_ttl_seconds: 3_600, enabled: false },
      warnings: [
        expect.stringContaining('everything the user has'),
        expect.stringContaining('every registered resource'),
      ],
    })
  })

  test.each([
    {
      why: 'no role',
      body: { agent_type: 'x' },
      status: 400,
      error: 'Invalid request: role_name is required',
    },
    {
      why: 'no agent type',
      body: { role_name: 'x' },
      status: 400,
      error: 'Invalid request: agent_type is required',
    },
    {
      why: 'a client that is no id',
      body: { client_id: 'x' },
      status: 400,
      error: 'Invalid client_id format',
    },
    {
      why: 'an unknown client',
      body: { client_id: STRANGER },
      status: 400,
      error: 'Client not found or not active',
    },
    {
      why: 'what is no permission',
      body: { allowed_permissions: ['*'] },
      status: 400,
      error: '"*" is not a permission',
    },
    {
      why: 'what is no resource',
      body: { resources: ['billing'] },
      status: 400,
      error: /is not an absolute URI/,
    },
    {
      why: 'half a second',
      body: { max_ttl_seconds: 0.5 },
      status: 400,
      error: 'Invalid request: max_ttl_seconds "0.5" is not a whole number',
    },
    {
      why: 'a number for a flag',
      body: { enabled: 1 },
      status: 400,
      error: 'Invalid request: enabled "1" is not true or false',
    },
  ])('are refused with $why', async ({ body, status, error }) => {
    const base = 'agent_type' in body || 'role_name' in body ? {} : { ...TERMS, agent_type: 'refused' }
    const message = error instanceof RegExp ? expect.stringMatching(error) : error
    expect(await post(POLICIES, { ...base, ...body })).toMatchObject({ status, json: { error: message } })
    expect((await get(`${POLICIES}?agent_type=refused`)).json).toEqual([])
  })
})

describe('resources', () => {
  test('are registered once and listed', async () => {
    const resource = { uri: 'https://shipping.example', permissions: ['b:read', 'a:read', 'a:read'] }
    const created = {
      uri: resource.uri,
      permissions: ['a:read', 'b:read'],
      signing_alg: 'ES256',
      created_at: SECOND,
    }
    const reply = await post('/admin/resources', resource)
    expect(reply.status).toBe(201)
    expect(reply.json).toEqual(created)
    expect((await get('/admin/resources')).json).toContainEqual(created)
    expect(await post('/admin/resources', resource)).toMatchObject({
      status: 409,
      json: { error: 'the resource "https://shipping.example" exists already' },
    })
  })

  test.each([
    'billing',
    '/billing',
    'https://a.example/#x',
    'https://a b.example',
    '',
    `https://${'a'.repeat(2_048)}`,
  ])('are refused when the URI is %j', async (uri) => {
    expect((await post('/admin/resources', { uri })).status).toBe(400)
  })
})

describe('delegating', () => {
  const grant = (json: object, id = server.clientId, prefix = '/authsec') =>
    post(`${prefix}/uflow/admin/agents/${id}/delegate-token`, json)

  beforeAll(async () => {
    await post(POLICIES, {
      role_name: 'admin',
      agent_type: 'langchain',
      allowed_permissions: ['billing:read'],
      resources: [BILLING],
      max_ttl_seconds: 7_200,
    })
  })

  test.each(['/authsec', ''])(
    'at %s/uflow answers as AuthSec does, and cuts the lifetime to the policy',
    async (prefix) => {
      const reply = await grant(
        { agent_type: 'langchain', audience: [BILLING], ttl_seconds: 99_999 },
        undefined,
        prefix,
      )
      expect(reply.status).toBe(200)
      expect(reply.headers['cache-control']).toBe('no-store')
      expect(reply.json).toEqual({
        token: await server.pull(),
        spiffe_id: expect.stringContaining(server.clientId),
        expires_at: '2026-11-24T11:00:00Z',
        permissions: ['billing:read'],
        audience: [BILLING],
        ttl_seconds: 7_200,
      })
    },
  )

  test.each([
    { why: 'an id that is none', id: 'x', body: {}, status: 400, json: { error: 'Invalid agent ID' } },
    {
      why: 'nobody',
      id: STRANGER,
      body: {},
      status: 404,
      json: { error: 'Agent not found', details: expect.any(String) },
    },
    {
      why: 'no audience',
      body: { audience: [] },
      status: 400,
      json: { error: 'Invalid request: audience is required' },
    },
    {
      why: 'no agent type',
      body: { agent_type: '' },
      status: 400,
      json: { error: 'Invalid request: agent_type is required' },
    },
    {
      why: 'another agent type',
      body: { agent_type: 'crewai' },
      status: 403,
      json: { error: 'Delegation not allowed', details: expect.stringMatching(/^agent .*is registered as/) },
    },
    {
      why: 'an API outside the policy',
      body: { audience: ['https://orders.example'] },
      status: 403,
      json: {
        error: 'Delegation not allowed',
        details: expect.stringMatching(/does not reach .* It reaches/),
      },
    },
    {
      // AuthSec delegates to any: the support matrix names the difference.
      why: 'a name that no policy knows',
      body: { audience: ['my-api'] },
      status: 403,
      json: {
        error: 'Delegation not allowed',
        details: expect.stringMatching(/does not reach .* It reaches/),
      },
    },
    {
      why: 'half a second',
      body: { ttl_seconds: 1.5 },
      status: 400,
      json: { error: 'Invalid request: ttl_seconds "1.5" is not a whole number' },
    },
  ])('to $why is refused', async ({ id, body, status, json }) => {
    const before = await server.pull()
    const reply = await grant({ agent_type: 'langchain', audience: [BILLING], ...body }, id)
    expect(reply.status).toBe(status)
    expect(reply.json).toEqual(json)
    expect(await server.pull()).toBe(before)
  })

  test('to a client that is no agent is 404, to one without a policy 403', async () => {
    const web = (await post(`${clients}/create`, { name: 'w', email: 'w@authsec.test' })).json
    expect((await grant({ agent_type: 'x', audience: [BILLING] }, web.id)).status).toBe(404)
    const lonely = await createAgent('lonely', { agent_type: 'lonely' })
    expect(await grant({ agent_type: 'lonely', audience: [BILLING] }, lonely.id)).toMatchObject({
      status: 403,
      json: {
        error: 'Delegation not allowed',
        details: expect.stringMatching(/^no enabled policy .*lonely.*authsec policy create/),
      },
    })
  })

  // The last one: it takes the delegation away.
  test('ends with a revocation, once, and what was pulled is dead', async () => {
    const token = await server.pull()
    const reply = await server.call('POST', `${agent}/revoke-token`, { admin: true })
    expect(reply.status).toBe(200)
    expect(reply.json).toEqual({
      status: 'revoked',
      client_id: server.clientId,
      message: 'Delegation token revoked successfully',
    })
    for (const path of [`${agent}/revoke-token`, `/uflow/admin/agents/${STRANGER}/revoke-token`]) {
      expect(await server.call('POST', path, { admin: true })).toMatchObject({
        status: 404,
        json: { error: 'No active delegation token found for this agent' },
      })
    }
    expect((await post('/uflow/admin/agents/x/revoke-token', {})).json).toEqual({ error: 'Invalid agent ID' })
    expect(await server.exchange({ subject_token: token })).toMatchObject({
      status: 400,
      json: { error: 'invalid_grant' },
    })
    expect((await server.call('GET', `/sdk/delegation-token?client_id=${server.clientId}`)).status).toBe(404)
  })
})
