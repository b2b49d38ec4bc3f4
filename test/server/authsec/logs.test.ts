import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { makeDirectory } from '../../support/run-cli.js'
import { startTestServer, type TestServer, UUID } from '../../support/running-server.js'

const LOGS = '/authsec/logs'
const SECOND = /^2026-11-24T09:00:\d\dZ$/

let server: TestServer

beforeAll(async () => {
  server = await startTestServer()
  await server.exchange({ scope: 'billing:read' })
  await server.exchange({ scope: 'billing:refund' })
  const policy = { role_name: 'member', agent_type: 'crewai', allowed_permissions: ['billing:read'] }
  await server.call('POST', '/uflow/delegation-policies', { admin: true, json: policy })
  await server.call('POST', '/uflow/delegation-policies', {
    admin: true,
    json: policy,
    headers: { 'user-agent': 'curl/8' },
  })
})
afterAll(() => server.close())

const read = async (path: string) => (await server.call('GET', `${LOGS}${path}`, { admin: true })).json

describe('the logs in AuthSec’s newer form', () => {
  test('tell who logged in', async () => {
    expect(await read('/auth/paginated')).toEqual({
      logs: [
        {
          id: expect.any(Number),
          timestamp: expect.stringMatching(SECOND),
          requestId: expect.any(String),
          workspaceId: server.tenantId,
          actorRealm: 'server',
          userId: expect.stringMatching(UUID),
          action: 'session.started',
          status: 'success',
          ipAddress: '',
          userAgent: '',
        },
      ],
      page: 1,
      limit: 50,
      total: 1,
    })
    expect((await read('/auth/paginated?status=failure')).logs).toEqual([])
    expect((await read('/auth/paginated?action=session.ended')).total).toBe(0)
  })

  test('tell who changed what, the newest first', async () => {
    const { logs } = await read('/audit/paginated?resource=policy')
    expect(logs.map(({ status }: { status: string }) => status)).toEqual(['failure', 'success', 'success'])
    expect(logs[0]).toEqual({
      id: expect.any(Number),
      timestamp: expect.stringMatching(SECOND),
      requestId: expect.stringMatching(UUID),
      workspaceId: server.tenantId,
      actorRealm: 'user',
      userId: expect.stringMatching(UUID),
      action: 'policy.created',
      status: 'failure',
      ipAddress: '127.0.0.1',
      userAgent: 'curl/8',
      error: 'conflict',
      resource: 'policy',
      resourceId: expect.stringMatching(UUID),
      method: 'POST',
      path: '/uflow/delegation-policies',
      statusCode: 409,
    })
    expect((await read('/audit/paginated?action=delegation.granted')).logs[0]).toMatchObject({
      resource: 'delegation',
      resourceId: expect.stringMatching(UUID),
      statusCode: 200,
    })
  })

  test('tell which client got what', async () => {
    const { logs, total } = await read(`/m2m/paginated?client_id=${server.clientId.toUpperCase()}`)
    expect(total).toBe(4)
    expect(logs[0]).toEqual({
      id: expect.stringMatching(UUID),
      createdAt: expect.stringMatching(SECOND),
      workspaceId: server.tenantId,
      tokenFamily: expect.any(String),
      clientId: server.clientId,
      subjectType: 'user',
      subjectId: server.user.id,
      resourceServerId: 'https://billing.example',
      pdpEffect: 'deny',
      gateEffect: 'deny',
      pdpAgrees: true,
      scopesRequested: ['billing:refund'],
      scopesGranted: [],
      pdpReason: 'invalid_scope',
    })
    expect(logs[2]).toMatchObject({ pdpEffect: 'allow', scopesGranted: ['billing:read'] })
    expect((await read('/m2m/paginated?client_id=x')).total).toBe(0)
  })

  test('stand each in one of the three logs', async () => {
    const totals = await Promise.all(
      ['auth', 'audit', 'm2m'].map(async (log) => (await read(`/${log}/paginated`)).total),
    )
    const { json } = await server.call('GET', '/audit/events?limit=1000', { admin: true })
    expect(totals.reduce((sum, total) => sum + total, 0)).toBe(json.events.length)
  })

  test.each([
    { query: 'page=1&limit=2', page: 1, limit: 2, length: 2 },
    { query: 'page=2&limit=2', page: 2, limit: 2, length: 2 },
    { query: 'page=99&limit=2', page: 99, limit: 2, length: 0 },
    // What is out of range falls back, and is echoed all the same.
    { query: 'limit=201', page: 1, limit: 201, length: 4 },
    { query: 'limit=0', page: 1, limit: 0, length: 4 },
    { query: 'limit=-1', page: 1, limit: -1, length: 4 },
    { query: 'limit=many', page: 1, limit: 0, length: 4 },
    { query: 'page=0', page: 0, limit: 50, length: 4 },
    { query: 'page=x', page: 0, limit: 50, length: 4 },
    { query: `page=${'9'.repeat(400)}`, page: 2_147_483_647, limit: 50, length: 0 },
    { query: `page=-${'9'.repeat(20)}`, page: -2_147_483_647, limit: 50, length: 4 },
  ])('turn their pages as AuthSec does: $query', async ({ query, page, limit, length }) => {
    const body = await read(`/m2m/paginated?${query}`)
    expect(body).toMatchObject({ page, limit, total: 4 })
    expect(body.logs).toHaveLength(length)
  })

  test('say which they are', async () => {
    const json = { enabled: true, backend: 'database', sources: { auth: true, audit: true, m2m: true } }
    expect(await read('/status')).toEqual(json)
    expect((await server.call('GET', '/logs/status', { admin: true })).json).toEqual(json)
  })

  test.each(['auth', 'audit', 'm2m'])('of %s hold no token and no e-mail address', async (log) => {
    const text = JSON.stringify(await read(`/${log}/paginated`))
    expect(text).not.toMatch(/eyJ|@authsec\.test/)
  })

  test('refuse a status that is none', async () => {
    expect(await server.call('GET', `${LOGS}/auth/paginated?status=x`, { admin: true })).toMatchObject({
      status: 400,
      json: { error: 'status "x" is neither success nor failure' },
    })
  })
})

test('reading them is on record, with what was asked for and whether addresses came along', async () => {
  const state = await makeDirectory()
  const first = await startTestServer({ state })
  const get = async (path: string) => (await first.call('GET', `${LOGS}${path}`, { admin: true })).json
  for (const page of [1, 2]) await get(`/auth/paginated?status=success&page=${page}&limit=1`)
  const { total } = await get('/audit/paginated?resource=resource&action=resource.created')
  await get(`/m2m/paginated?client_id=${first.clientId.toUpperCase()}`)
  await first.close()

  const second = await startTestServer({ state })
  const path = '/audit/events?filter=type=audit.read'
  const { events } = (await second.call('GET', path, { admin: true })).json
  await second.close()
  const session = expect.any(String)
  const range = { first: expect.any(Number), last: expect.any(Number) }
  expect(
    events.map(({ event }: { event: { source: string; details: object } }) => [event.source, event.details]),
  ).toEqual([
    ['GET /logs/auth/paginated', { session, events: 1, ...range, filter: 'outcome=allow', personal: true }],
    [
      'GET /logs/audit/paginated',
      { session, events: total, ...range, filter: 'type=resource.created type~resource.*', personal: true },
    ],
    ['GET /logs/m2m/paginated', { session, events: 0, filter: `client=${first.clientId}` }],
  ])
  const [, { event }] = events
  expect(event.details.last).toBeGreaterThan(event.details.first)
})
