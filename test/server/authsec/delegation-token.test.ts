import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { START, startTestServer, type TestServer, UUID } from '../../support/running-server.js'

const STRANGER = '11111111-2222-4333-8444-555555555555'
const PATHS = ['/authsec/uflow', '/uflow', ''].map((prefix) => `${prefix}/sdk/delegation-token`)
const [PATH = ''] = PATHS
const DAY = 86_400_000

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.close())

describe("the pull of an agent's token", () => {
  test.each(PATHS)('answers at %s as AuthSec does', async (path) => {
    const reply = await server.call('GET', `${path}?client_id=${server.clientId}`)
    expect(reply.status).toBe(200)
    expect(reply.headers['cache-control']).toBe('no-store')
    expect(reply.json).toEqual({
      token: expect.stringMatching(/^eyJ[\w-]+\.[\w-]+\.[\w-]+$/),
      spiffe_id: `spiffe://example.org/tenants/${server.tenantId}/agents/langchain/${server.clientId}`,
      permissions: ['billing:read', 'orders:read', 'profile:read'],
      audience: ['authsec-api'],
      // Whole seconds, although the clock has more: some SDKs cannot read fractions.
      expires_at: '2026-11-25T09:00:00Z',
      ttl_seconds: 86_400,
      client_id: server.clientId,
      tenant_id: server.tenantId,
      status: 'active',
      issued_at: '2026-11-24T09:00:00Z',
      updated_at: '2026-11-24T09:00:00Z',
    })
  })

  test('takes the client from the header, the query first, in any case', async () => {
    const pull = (path: string, id: string) => server.call('GET', path, { headers: { 'x-client-id': id } })
    expect((await pull(PATH, server.clientId.toUpperCase())).status).toBe(200)
    expect((await pull(`${PATH}?client_id=`, server.clientId)).status).toBe(200)
    expect((await pull(`${PATH}?client_id=${server.clientId}`, STRANGER)).status).toBe(200)
    expect((await pull(`${PATH}?client_id=${STRANGER}`, server.clientId)).status).toBe(404)
  })

  test.each([
    { query: '', status: 400, body: { error: 'client_id is required (query param or X-Client-ID header)' } },
    {
      query: '?client_id=',
      status: 400,
      body: { error: 'client_id is required (query param or X-Client-ID header)' },
    },
    { query: '?client_id=demo-agent', status: 400, body: { error: 'Invalid client_id format' } },
    { query: `?client_id=${STRANGER}x`, status: 400, body: { error: 'Invalid client_id format' } },
    { query: `?client_id=%20${STRANGER}`, status: 400, body: { error: 'Invalid client_id format' } },
    {
      query: `?client_id=${STRANGER}`,
      status: 404,
      body: { error: 'Client not found', details: expect.any(String) },
    },
  ])('answers $query with $status', async ({ query, status, body }) => {
    const reply = await server.call('GET', `${PATH}${query}`)
    expect(reply).toMatchObject({ status })
    expect(reply.json).toEqual(body)
  })

  test('of an agent that nobody delegated to is 404, and says what to do', async () => {
    const created = await server.call('POST', `/clientms/tenants/${server.tenantId}/clients/create`, {
      admin: true,
      json: { name: 'idle', email: 'idle@authsec.test', client_type: 'ai_agent' },
    })
    const reply = await server.call('GET', `${PATH}?client_id=${created.json.client_id}`)
    expect(reply).toMatchObject({ status: 404 })
    expect(reply.json).toEqual({
      error: 'No active delegation token found',
      details: 'An admin must delegate a token first via POST /uflow/admin/agents/:id/delegate-token',
    })
  })

  // The last one: it lets a day go by.
  test('is 410 once when the token has expired, then 404', async () => {
    const path = `${PATH}?client_id=${server.clientId}`
    server.now = START - (START % 1000) + DAY - 1
    expect((await server.call('GET', path)).status).toBe(200)
    server.now += 1
    const gone = await server.call('GET', path)
    expect(gone).toMatchObject({ status: 410 })
    expect(gone.json).toEqual({
      error: 'Delegation token has expired',
      expired_at: '2026-11-25T09:00:00Z',
      details: 'Admin must re-delegate via POST /uflow/admin/agents/:id/delegate-token',
    })
    expect(gone.headers['x-request-id']).toMatch(UUID)
    for (const again of [1, 2]) {
      expect(await server.call('GET', path), `pull ${again}`).toMatchObject({
        status: 404,
        json: { error: 'No active delegation token found' },
      })
    }
  })

  test('is 410 for exactly one of many who ask at the same time', async () => {
    const other = await startTestServer()
    other.now = START + 2 * DAY
    const path = `${PATH}?client_id=${other.clientId}`
    const replies = await Promise.all(Array.from({ length: 20 }, () => other.call('GET', path)))
    const count = (status: number) => replies.filter((reply) => reply.status === status).length
    expect([count(410), count(404)]).toEqual([1, 19])
    await other.close()
  })
})
