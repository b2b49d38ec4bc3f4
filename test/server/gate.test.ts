import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { exchangeForm, startTestServer, type TestServer, UUID } from '../support/running-server.js'

const PULL = '/authsec/uflow/sdk/delegation-token'
const JWKS = '/oauth/jwks'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.close())

describe('the host of a request', () => {
  test.each([
    '127.0.0.1:PORT',
    'localhost:PORT',
    '[::1]:PORT',
    'LOCALHOST:PORT',
    // Ports do not tell servers apart here: a forwarded one is another on each side.
    '127.0.0.1:1',
    'localhost',
    // Spellings of an address are not names that somebody could point elsewhere.
    '127.1:PORT',
  ])('may be %s', async (host) => {
    const headers = { host: host.replace('PORT', String(server.port)) }
    expect((await server.call('GET', JWKS, { headers })).status).toBe(200)
  })

  test.each([
    'evil.example',
    'evil.example:PORT',
    'localhost.:PORT',
    '127.0.0.1.evil.example:PORT',
    '127.0.0.1.nip.io:PORT',
    'localhost.evil.example',
    'xlocalhost:PORT',
    '0.0.0.0:PORT',
    '[::]:PORT',
    '10.0.0.1:PORT',
    '127.0.0.2:PORT',
    'xn--lcalhost-jhd:PORT',
  ])('is refused as 421 when it is %s, also for public documents', async (host) => {
    const headers = { host: host.replace('PORT', String(server.port)) }
    const reply = await server.call('GET', `${PULL}?client_id=${server.clientId}`, { headers })
    expect(reply).toMatchObject({
      status: 421,
      json: { error: expect.stringMatching(/^the host ".+" is not this server$/) },
    })
    expect(reply.headers['x-request-id']).toMatch(UUID)
    expect((await server.call('GET', JWKS, { headers })).status).toBe(421)
    expect((await server.call('GET', '/nowhere', { headers })).status).toBe(421)
  })

  test.each([
    'evil@127.0.0.1',
    '127.0.0.1/evil',
    '127.0.0.1 evil',
    '127.0.0.1#evil',
    '127.0.0.1:99999',
    '[::ffff:127.0.0.1]',
    ':80',
  ])('is no host at all when it is %j', async (host) => {
    expect((await server.call('GET', JWKS, { headers: { host } })).status).toBe(400)
  })
})

describe('the page that a request comes from', () => {
  test.each<Record<string, string>>([
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: '' },
    { origin: 'http://localhost:1' },
    { origin: 'https://127.0.0.1:PORT' },
    { origin: 'http://127.0.0.1:PORT.evil.example' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'same-origin, cross-site' },
    { 'sec-fetch-site': 'whatever' },
    { 'sec-fetch-site': 'same-origin', origin: 'https://evil.example' },
  ])('is refused as 403 with %j', async (given) => {
    const headers = Object.fromEntries(
      Object.entries(given).map(([name, value]) => [name, value.replace('PORT', String(server.port))]),
    )
    const pulled = await server.call('GET', `${PULL}?client_id=${server.clientId}`, { headers })
    expect(pulled).toMatchObject({ status: 403, json: { error: expect.any(String) } })
    expect(pulled.text).not.toContain('eyJ')
    expect(pulled.headers).not.toHaveProperty('access-control-allow-origin')

    const exchanged = await server.call('POST', '/oauth/token', {
      headers,
      form: exchangeForm(server.clientId),
    })
    expect(exchanged).toMatchObject({ status: 403, json: { error: 'invalid_request' } })

    // Keys and metadata are for everybody.
    expect((await server.call('GET', JWKS, { headers })).status).toBe(200)
  })

  test.each<Record<string, string>>([
    { 'sec-fetch-site': 'same-origin', origin: 'http://127.0.0.1:PORT' },
    { 'sec-fetch-site': 'none' },
    {},
  ])('may be this server or nobody: %j', async (given) => {
    const headers = Object.fromEntries(
      Object.entries(given).map(([name, value]) => [name, value.replace('PORT', String(server.port))]),
    )
    const path = `${PULL}?client_id=${server.clientId}`
    expect((await server.call('GET', path, { headers })).status).toBe(200)
  })
})

describe('a refusal at the gate', () => {
  test.each([{ host: 'evil.example' }, { origin: 'https://evil.example' }])(
    'with %j comes before the session, the body and the query are looked at',
    async (foreign) => {
      const headers = { ...foreign, 'content-type': 'text/plain' } as Record<string, string>
      const status = 'host' in foreign ? 421 : 403
      expect((await server.call('GET', '/audit/events?limit=x', { headers })).status).toBe(status)
      expect((await server.call('POST', '/admin/resources', { headers, body: '{' })).status).toBe(status)
      expect((await server.call('GET', `${PULL}?client_id=x`, { headers })).status).toBe(status)
    },
  )

  test('neither pulls nor expires a token, and stands in the log', async () => {
    const count = async (outcome: string) => {
      const filters = `filter=type=delegation.pulled&filter=outcome=${outcome}&limit=1000`
      return (await server.call('GET', `/audit/events?${filters}`, { admin: true })).json.events.length
    }
    const [allowed, denied] = [await count('allow'), await count('deny')]
    await server.call('GET', `${PULL}?client_id=${server.clientId}`, { headers: { origin: 'null' } })
    expect([await count('allow'), await count('deny')]).toEqual([allowed, denied + 1])
  })
})
