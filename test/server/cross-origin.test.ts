import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ENDPOINTS } from '../../src/server/endpoints.js'
import { exchangeForm, startTestServer, type TestServer } from '../support/running-server.js'

const PAGE = 'https://console.example'
const PREFLIGHT = { 'access-control-request-method': 'POST', 'sec-fetch-site': 'cross-site' }

let open: TestServer
let closed: TestServer
beforeAll(async () => {
  open = await startTestServer({ origins: [PAGE], allowedHosts: ['authsec.internal'] })
  closed = await startTestServer()
})
afterAll(async () => {
  await open.close()
  await closed.close()
})

describe('a page of another origin', () => {
  test('may exchange at a server that names it, but never with its cookies', async () => {
    const headers = { origin: PAGE, 'sec-fetch-site': 'cross-site' }
    const form = { ...exchangeForm(open.clientId), subject_token: await open.pull() }
    const reply = await open.call('POST', '/oauth/token', { headers, form })
    expect(reply.status).toBe(200)
    expect(reply.headers).toMatchObject({ 'access-control-allow-origin': PAGE, vary: 'Origin' })
    expect(reply.headers['access-control-allow-credentials']).toBeUndefined()
  })

  test('may read why it was refused', async () => {
    const reply = await open.call('POST', '/oauth/token', { headers: { origin: PAGE }, form: 'grant_type=x' })
    expect(reply.status).toBe(400)
    expect(reply.headers['access-control-allow-origin']).toBe(PAGE)
  })

  test.each(
    ENDPOINTS.filter(({ crossOrigin }) => crossOrigin !== true && crossOrigin !== 'named').map(
      ({ method, paths }) => [method, paths[0] as string],
    ),
  )(
    'that is named cannot use %s %s: neither pull, login, admin nor audit is for pages',
    async (method, path) => {
      const headers = {
        origin: PAGE,
        'sec-fetch-site': 'cross-site',
        'access-control-request-method': method,
      }
      for (const asked of [method, 'OPTIONS']) {
        const reply = await open.call(asked, path, { headers, admin: true })
        expect(reply.status).toBe(403)
        expect(reply.headers).not.toHaveProperty('access-control-allow-origin')
      }
    },
  )

  test.each([
    ['GET', '/audit/events'],
    ['GET', '/authsec/uflow/sdk/delegation-token'],
    ['POST', '/authsec/uflow/auth/admin/login'],
    ['POST', '/admin/resources'],
  ])('is kept from %s %s whatever the list of endpoints says', async (method, path) => {
    const reply = await open.call(method, path, { headers: { origin: PAGE }, admin: true })
    expect(reply.status).toBe(403)
  })

  test('is told by a preflight what it may send', async () => {
    const reply = await open.call('OPTIONS', '/oauth/token', { headers: { ...PREFLIGHT, origin: PAGE } })
    expect(reply).toMatchObject({ status: 204, text: '' })
    expect(reply.headers).toMatchObject({
      'access-control-allow-origin': PAGE,
      'access-control-allow-headers': expect.stringContaining('authorization'),
    })
  })

  test.each([
    'https://evil.example',
    'https://console.example.evil.example',
    'http://console.example',
    'null',
  ])('that is not named learns nothing: %s', async (origin) => {
    const headers = { ...PREFLIGHT, origin }
    for (const server of [open, closed]) {
      const reply = await server.call('OPTIONS', '/oauth/token', { headers })
      expect(reply.status).toBe(403)
      expect(reply.headers['access-control-allow-origin']).toBeUndefined()
    }
  })

  test('is refused by a server that names none', async () => {
    const reply = await closed.call('OPTIONS', '/oauth/token', { headers: { ...PREFLIGHT, origin: PAGE } })
    expect(reply.status).toBe(403)
  })
})

describe('every answer', () => {
  test.each([
    ['GET', '/oauth/jwks', 'cross-origin'],
    ['GET', '/audit/events', 'same-origin'],
    ['GET', '/nothing', 'same-origin'],
    ['DELETE', '/oauth/token', 'same-origin'],
  ])('of %s %s says who may load it and that it is what it says', async (method, path, policy) => {
    const { headers } = await closed.call(method, path)
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': policy,
      'cache-control': expect.stringMatching(/no-store|max-age/),
    })
  })
})

describe('a host name', () => {
  test('may be allowed', async () => {
    const headers = { host: 'authsec.internal' }
    expect((await open.call('GET', '/oauth/jwks', { headers })).status).toBe(200)
    expect((await closed.call('GET', '/oauth/jwks', { headers })).status).toBe(421)
  })
})
