import { decodeProtectedHeader } from 'jose'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Reply, startTestServer, type TestServer } from '../../support/running-server.js'

interface KeyRow {
  kid: string
  purpose: string
  alg: string
  state: string
  due_at?: string
}

let server: TestServer
beforeEach(async () => {
  server = await startTestServer()
})
afterEach(() => server.close())

const post = (path: string, json: object = {}): Promise<Reply> =>
  server.call('POST', `/admin/keys${path}`, { json, admin: true })
const list = async (): Promise<KeyRow[]> => (await server.call('GET', '/admin/keys', { admin: true })).json
const find = async (state: string, purpose = 'call', alg = 'ES256'): Promise<KeyRow> => {
  const found = (await list()).find(
    (key) => key.state === state && key.purpose === purpose && key.alg === alg,
  )
  if (found === undefined) throw new Error(`no ${state} ${purpose} key in ${alg}`)
  return found
}
const kidOf = (reply: Reply) => decodeProtectedHeader(reply.json.access_token).kid

describe('the keys of a server', () => {
  test('are listed with their states and next steps, and nothing of what they are', async () => {
    const keys = await list()
    expect(keys.map(({ purpose, alg, state }) => `${purpose} ${alg} ${state}`).sort()).toEqual([
      'audit EdDSA active',
      'base RS256 active',
      'call ES256 active',
      'call ES256 prepared',
      'call EdDSA active',
      'call EdDSA prepared',
      'call RS256 active',
      'call RS256 prepared',
      'session HS256 active',
      'session HS256 prepared',
    ])
    expect(Object.keys(await find('active')).sort()).toEqual([
      'activated_at',
      'alg',
      'created_at',
      'due_at',
      'kid',
      'published_at',
      'purpose',
      'state',
    ])
    expect((await find('prepared')).due_at).toBe('2026-11-24T09:11:00Z')
    expect((await find('active', 'base', 'RS256')).due_at).toBeUndefined()
  })

  test.each([
    ['GET', ''],
    ['POST', '/prepare'],
    ['POST', '/rotate'],
    ['POST', '/x/activate'],
    ['POST', '/x/taint'],
    ['POST', '/x/revoke'],
  ])('are nothing for strangers: %s /admin/keys%s', async (method, path) => {
    const json = method === 'POST' ? {} : undefined
    expect((await server.call(method, `/admin/keys${path}`, { json })).status).toBe(401)
  })
})

describe('a change of keys', () => {
  test.each([
    { path: '/prepare', json: {}, status: 400, says: 'purpose is required' },
    { path: '/prepare', json: { purpose: 'call' }, status: 409, says: 'is prepared already' },
    { path: '/prepare', json: { purpose: 'tls' }, status: 400, says: 'no keys of the purpose "tls"' },
    {
      path: '/rotate',
      json: { purpose: 'call', alg: 'HS256' },
      status: 400,
      says: 'no keys of the alg "HS256"',
    },
    { path: '/rotate', json: { purpose: 7 }, status: 400, says: 'purpose "7" is not a string' },
    { path: '/rotate', json: { purpose: 'call' }, status: 409, says: 'may sign in 660 seconds' },
    { path: '/nothing/activate', json: {}, status: 404, says: 'no key "nothing"' },
    { path: '/nothing/taint', json: {}, status: 404, says: 'no key "nothing"' },
    { path: '/nothing/revoke', json: {}, status: 404, says: 'no key "nothing"' },
  ])('is refused: $path with $json', async ({ path, json, status, says }) => {
    const before = await list()
    const reply = await post(path, json)
    expect([reply.status, reply.json.error]).toEqual([status, expect.stringContaining(says)])
    expect(await list()).toEqual(before)
  })

  test('rotates when the prepared key has been published for long enough', async () => {
    const [old, next] = [await find('active'), await find('prepared')]
    server.now += 660_000
    const reply = await post('/rotate', { purpose: 'call' })
    expect(reply).toMatchObject({
      status: 200,
      json: {
        changed: [
          { kid: old.kid, purpose: 'call', alg: 'ES256', state: 'retiring' },
          { kid: next.kid, state: 'active' },
          { state: 'prepared' },
        ],
      },
    })
    expect(kidOf(await server.exchange())).toBe(next.kid)
  })

  test('activates the key that is named', async () => {
    const { kid } = await find('prepared', 'call', 'EdDSA')
    server.now += 660_000
    expect((await post(`/${kid}/activate`)).status).toBe(200)
    expect((await find('active', 'call', 'EdDSA')).kid).toBe(kid)
  })

  test('takes a suspect key out of use, and lists what it signed and is alive', async () => {
    const { kid } = await find('active')
    const issued = await server.exchange()
    const { jti } = JSON.parse(atob(issued.json.access_token.split('.')[1]))
    const reply = await post(`/${kid}/taint`)
    expect(reply.json).toMatchObject({
      changed: [{ kid, state: 'tainted' }, { state: 'active' }, { state: 'prepared' }],
      live_tokens: [{ jti, type: 'token.exchanged', client_id: server.clientId }],
      live_tokens_total: 1,
    })
    expect(reply.json.live_tokens[0].expires_at).toBe('2026-11-24T09:01:00Z')
    expect(kidOf(await server.exchange())).not.toBe(kid)
    expect((await post(`/${kid}/taint`)).status).toBe(409)
  })

  test('lets a compromised key disappear from the key set', async () => {
    const { kid } = await find('active')
    expect((await post(`/${kid}/revoke`)).status).toBe(200)
    const { keys } = (await server.call('GET', '/oauth/jwks')).json
    expect(keys.map((key: KeyRow) => key.kid)).not.toContain(kid)
    expect((await find('revoked')).kid).toBe(kid)
  })

  test('is in the log under the name of the admin', async () => {
    const { kid } = await find('active')
    await post(`/${kid}/taint`)
    const found = await server.call('GET', '/audit/events?filter=type=key.tainted', { admin: true })
    expect(found.json.events).toMatchObject([
      { event: { outcome: 'allow', kid, actor: { type: 'user' }, source: 'POST /admin/keys/:kid/taint' } },
    ])
  })
})
