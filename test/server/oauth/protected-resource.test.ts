import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../../support/running-server.js'

const WELL_KNOWN = '/.well-known/oauth-protected-resource'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
  const json = { uri: `${server.url}/api/bills`, permissions: ['billing:read'] }
  await server.call('POST', '/admin/resources', { json, admin: true })
})
afterAll(() => server.close())

describe('the metadata of a protected resource', () => {
  test.each([
    WELL_KNOWN,
    `${WELL_KNOWN}/api`,
    `${WELL_KNOWN}/api/bills/`,
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
