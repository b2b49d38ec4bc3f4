import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../../support/running-server.js'

const WELL_KNOWN = '/.well-known/oauth-protected-resource'

/** Of resources that live at the server. */
const PATHS = ['/api/bills', '/api/v1?x=1', '/api/v1?resource=bills&resource=orders', '?x=1', '/?x=2']

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
  for (const path of PATHS) {
    const json = { uri: `${server.url}${path}`, permissions: ['billing:read'] }
    expect((await server.call('POST', '/admin/resources', { json, admin: true })).status).toBe(201)
  }
})
afterAll(() => server.close())

describe('the metadata of a protected resource', () => {
  test.each([
    WELL_KNOWN,
    `${WELL_KNOWN}/api`,
    `${WELL_KNOWN}/api/bills/`,
    `${WELL_KNOWN}/api/bills?x=1`,
    `${WELL_KNOWN}/api/v1`,
    `${WELL_KNOWN}/api/v1?x=2`,
    `${WELL_KNOWN}?x=3`,
    `${WELL_KNOWN}?resource=https://evil.example`,
  ])('is not found at %s', async (path) => {
    expect(await server.call('GET', path)).toMatchObject({ status: 404, json: { error: 'not_found' } })
  })

  test('stands at the path of the resource, which it names', async () => {
    const reply = await server.call('GET', `${WELL_KNOWN}/api/bills`)
    expect(reply.json).toEqual({
      resource: `${server.url}/api/bills`,
      authorization_servers: [server.issuer],
      scopes_supported: ['billing:read'],
      bearer_methods_supported: ['header'],
    })
  })

  // §3.1: before the path and the query, without a slash that is all of the path.
  test.each(PATHS)('keeps the path and the query of the resource: %s', async (path) => {
    const reply = await server.call('GET', `${WELL_KNOWN}${path.replace(/^\/\?/, '?')}`)
    expect(reply.json).toMatchObject({ resource: `${server.url}${path}` })
  })

  test('is handed out by name for an API that lives elsewhere', async () => {
    const reply = await server.call('GET', `${WELL_KNOWN}?resource=https://billing.example`)
    expect(reply.json).toMatchObject({
      resource: 'https://billing.example',
      scopes_supported: ['billing:read', 'billing:refund'],
    })
  })
})

describe('a resource', () => {
  test.each([
    { why: 'an algorithm that signs nothing here', json: { signing_alg: 'HS256' }, status: 400 },
    { why: 'a client that is no id', json: { client_id: 'x' }, status: 400 },
    {
      why: 'a client that nobody registered',
      json: { client_id: '11111111-2222-4333-8444-555555555555' },
      status: 404,
    },
  ])('with $why is refused', async ({ json, status }) => {
    const body = { uri: 'https://new.example', permissions: [], ...json }
    expect((await server.call('POST', '/admin/resources', { json: body, admin: true })).status).toBe(status)
  })
})
