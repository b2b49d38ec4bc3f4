import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { cp, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { openAuthority } from '../../src/authority/authority.js'
import type { Seed } from '../../src/authority/seed.js'
import { systemClock } from '../../src/sdk/clock.js'
import { createAuthsecClient } from '../../src/sdk/index.js'
import { ENDPOINTS } from '../../src/server/endpoints.js'
import {
  DEV_SEED,
  initServer,
  type SharedServer,
  startServer,
  startSharedServer,
} from '../../src/server/index.js'
import { openState, type StatePlace } from '../../src/server/state.js'
import { makePostgresSchema } from '../support/postgres-schema.js'

const ISSUER = 'https://authsec.example'
const KEK = new Uint8Array(32).fill(9)
const ADMIN = { email: 'root@team.example', password: 'correct horse battery' }
const HOST = { host: 'authsec.example' }
const NOW = Date.parse('2026-11-24T09:00:00Z')

const SEED: Seed = {
  ...DEV_SEED,
  clients: [...DEV_SEED.clients],
  delegations: [{ client: 'demo-agent', user: 'alice@authsec.test' }],
}

let place: string
const open: { close(): Promise<void> }[] = []
beforeAll(async () => {
  place = await mkdtemp(join(tmpdir(), 'authsec-shared-'))
})
afterEach(async () => {
  for (const server of open.splice(0)) await server.close()
})
afterAll(() => rm(place, { recursive: true, force: true }))

let count = 0
// To fill a state takes keys and passwords: each test has a copy of one that was filled once.
const filled = new Map<string, Promise<string>>()
async function initialise(seed?: Seed): Promise<string> {
  const name = JSON.stringify(seed ?? null)
  if (!filled.has(name)) filled.set(name, fill(seed))
  const state = join(place, `state-${count++}`)
  await cp((await filled.get(name)) as string, state, { recursive: true })
  return state
}
async function fill(seed?: Seed): Promise<string> {
  const state = join(place, `filled-${filled.size}`)
  await initServer({ state, kek: KEK, issuer: ISSUER, admin: ADMIN, seed, clock: () => NOW })
  return state
}
/** A first start that ends where the keys are there, and what fills the state is not; the tenant that it has made. */
async function interrupt(where: StatePlace): Promise<string> {
  const { store, close } = await openState(where, KEK)
  const named = { issuer: ISSUER, mode: 'shared', isBrief: true } as const
  const authority = await openAuthority({ ...named, store, kek: KEK, clock: () => NOW })
  await authority.close()
  await close()
  return authority.identity.tenantId
}
async function start(state: string): Promise<SharedServer> {
  // A clock that stands: on a busy machine twelve logins take long enough to earn another one.
  const server = await startSharedServer({
    state,
    kek: KEK,
    issuer: ISSUER,
    port: 0,
    clock: () => NOW,
    auditHighWater: `${state}.mark`,
  })
  open.push(server)
  return server
}
const ask = (server: SharedServer, path: string, init?: RequestInit) =>
  server.fetch(new Request(`${ISSUER}${path}`, { ...init, headers: { ...HOST, ...init?.headers } }))

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

async function logIn(server: SharedServer, email: string, password: string): Promise<Response> {
  return ask(server, '/authsec/uflow/auth/admin/login', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email, password }),
  })
}

describe('the first start of a shared server', () => {
  test('names the tenant, the issuer and the first admin, who can log in', async () => {
    const server = await start(await initialise())
    const reply = await logIn(server, ADMIN.email, ADMIN.password)
    const { token, tenant_id } = (await reply.json()) as { token: string; tenant_id: string }
    expect(tenant_id).toBe(server.tenantId)
    const events = await ask(server, '/audit/events', { headers: { authorization: `Bearer ${token}` } })
    expect(events.status).toBe(200)
    expect((await logIn(server, ADMIN.email, 'wrong horse battery')).status).toBe(401)
  })

  test('happens once', async () => {
    const state = await initialise()
    await expect(initServer({ state, kek: KEK, issuer: ISSUER, admin: ADMIN })).rejects.toMatchObject({
      code: 'conflict',
    })
  })

  test('takes an admin of its seed who may administer it, and one password for them, not two', async () => {
    const state = join(place, `state-${count++}`)
    const begin = (roles: string[], password?: string) => {
      const users = [...SEED.users, { email: ADMIN.email, roles, password }]
      const seed = { ...SEED, roles: { ...SEED.roles, admin: ['admin:access'] }, users }
      return initServer({ state, kek: KEK, issuer: ISSUER, admin: ADMIN, seed })
    }
    await expect(begin(['admin'], ADMIN.password)).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringMatching(/^the seed has a fault: users\[\d\]: has a password: /),
    })
    await expect(begin(['member'])).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringMatching(/users\[\d\]\.roles: none of them has admin:access, for /),
    })
    await begin(['admin'])
  })

  test('that was interrupted is begun again, and nothing of it is served', async () => {
    const state = join(place, `state-${count++}`)
    const options = { state, kek: KEK, issuer: ISSUER, admin: ADMIN, clock: () => NOW }
    await interrupt({ state })
    await expect(start(state)).rejects.toMatchObject({ code: 'configuration' })
    const other = '22222222-2222-4222-8222-222222222222'
    expect(await initServer({ ...options, seed: { ...SEED, tenantId: other } })).toMatchObject({
      tenantId: other,
    })
    const server = await start(state)
    expect((await logIn(server, ADMIN.email, ADMIN.password)).status).toBe(200)
  })

  test('leaves what somebody else has filled while it made room', async () => {
    const schema = await makePostgresSchema()
    open.push({ close: schema.drop })
    const tenantId = await interrupt({ store: schema.url })
    let filled: Promise<unknown> | undefined
    const clock = () => {
      // It has seen that nothing is there; keys, which take longer, are made from now on.
      filled ??= schema.run(`insert into settings values ('seed', '{"seed":{},"clients":{}}')`)
      return Date.now()
    }
    await expect(
      initServer({ store: schema.url, kek: KEK, issuer: ISSUER, admin: ADMIN, clock }),
    ).rejects.toMatchObject({ code: 'conflict', message: expect.stringContaining('initialised already') })
    await filled
    expect(await schema.run(`select value from settings where name = 'tenant_id'`)).toEqual([
      { value: tenantId },
    ])
  })

  test('gives way where another one begins anew what it has begun', async () => {
    const schema = await makePostgresSchema()
    open.push({ close: schema.drop })
    const rival = '22222222-2222-4222-8222-222222222222'
    const takeOver = () =>
      vi.waitFor(
        async () =>
          expect(
            await schema.run(
              `update settings set value = '${rival}' where name = 'tenant_id' returning value`,
            ),
          ).toEqual([{ value: rival }]),
        { timeout: 60_000, interval: 1 },
      )
    let taken: Promise<unknown> | undefined
    const clock = () => {
      // As soon as there is something to take over; keys are made for much longer.
      taken ??= takeOver()
      return Date.now()
    }
    await expect(
      initServer({ store: schema.url, kek: KEK, issuer: ISSUER, admin: ADMIN, clock }),
    ).rejects.toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(/^PostgreSQL at .* is being initialised by another command$/),
    })
    await taken
    expect(await schema.run(`select name from settings where name = 'seed'`)).toEqual([])
  })

  test('happens once also where two of them meet in a database', async () => {
    const schema = await makePostgresSchema()
    open.push({ close: schema.drop })
    const begin = () => initServer({ store: schema.url, kek: KEK, issuer: ISSUER, admin: ADMIN })
    const ends = await Promise.allSettled([begin(), begin()])
    const [won] = ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value.tenantId] : []))
    const lost = ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []))
    expect(lost).toHaveLength(1)
    expect(lost[0]).toMatchObject({
      code: 'conflict',
      message: expect.stringMatching(
        /has been initialised already$|is being initialised by another command$|^a server runs on this state$/,
      ),
    })
    expect(await schema.run(`select value from settings where name = 'tenant_id'`)).toEqual([{ value: won }])
  })

  test('leaves nothing where a delegation is refused that only the server can judge', async () => {
    const state = join(place, `state-${count++}`)
    const options = { state, kek: KEK, issuer: ISSUER, admin: ADMIN, clock: () => NOW }
    const audience = Array.from({ length: 300 }, (_, at) => `https://api-${at}.a-rather-long-name.example`)
    const seed: Seed = {
      ...SEED,
      resources: [...SEED.resources, ...audience.map((uri) => ({ uri, permissions: ['billing:read'] }))],
      policies: SEED.policies.map((policy) => ({ ...policy, resources: ['*'] })),
      delegations: [{ client: 'demo-agent', user: 'alice@authsec.test', audience }],
    }
    await expect(initServer({ ...options, seed })).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('the seed has a fault: delegations[0]: '),
    })
    await initServer({ ...options, seed: SEED })
    const server = await start(state)
    expect((await logIn(server, ADMIN.email, ADMIN.password)).status).toBe(200)
  })

  test('leaves no password and no key on disk', async () => {
    const state = await initialise(SEED)
    expect((await readdir(state)).sort()).toEqual(['authsec.db'])
  })

  test.each([
    ['an issuer without TLS', { issuer: 'http://authsec.example' }],
    ['an issuer with a path', { issuer: 'https://authsec.example/tenant' }],
    ['an issuer that is no URL', { issuer: 'authsec.example' }],
    ['a short password', { admin: { email: ADMIN.email, password: 'short' } }],
    ['an admin without an address', { admin: { email: 'root', password: ADMIN.password } }],
    [
      'an admin who is a member',
      { admin: { email: 'bob@authsec.test', password: ADMIN.password }, seed: SEED },
    ],
  ])('refuses %s and writes nothing', async (_what, change) => {
    const state = join(place, `refused-${count++}`)
    await expect(
      initServer({ state, kek: KEK, issuer: ISSUER, admin: ADMIN, ...change }),
    ).rejects.toMatchObject({ code: 'usage' })
    await expect(readdir(state)).rejects.toThrow('ENOENT')
  })
})

describe('a shared server', () => {
  test('does not start on a state that nobody has initialised', async () => {
    const state = join(place, `empty-${count++}`)
    await expect(start(state)).rejects.toMatchObject({ code: 'configuration' })
  })

  test('does not start under another issuer, or with another key-encryption key', async () => {
    const state = await initialise()
    const options = {
      state,
      kek: KEK,
      issuer: 'https://other.example',
      port: 0,
      auditHighWater: `${state}.mark`,
    }
    await expect(startSharedServer(options)).rejects.toMatchObject({ code: 'configuration' })
    const wrong = { ...options, kek: new Uint8Array(32), issuer: ISSUER }
    await expect(startSharedServer(wrong)).rejects.toMatchObject({ code: 'state_unreadable' })
  })

  test('says of itself what everybody knows it by, never where it listens', async () => {
    const server = await start(await initialise())
    const reply = await fetch(`${server.url}/.well-known/oauth-authorization-server`)
    expect(await reply.json()).toMatchObject({ issuer: ISSUER, token_endpoint: `${ISSUER}/oauth/token` })
  })

  test('serves nothing that is for one machine only', async () => {
    const server = await start(await initialise())
    for (const { method, paths, modes } of ENDPOINTS) {
      for (const path of paths) {
        const served = await ask(server, path.replace(/:\w+/g, 'x'), { method })
        const isOurs = ENDPOINTS.some(
          (other) => other.method === method && other.modes.includes('shared') && fits(other.paths, path),
        )
        if (!modes.includes('shared') && !isOurs) {
          expect([404, 405], `${method} ${path}`).toContain(served.status)
        }
      }
    }
  })

  test('counts logins', async () => {
    const server = await start(await initialise())
    const statuses: number[] = []
    for (let attempt = 0; attempt < 12; attempt += 1) {
      statuses.push((await logIn(server, 'nobody@team.example', 'not a password')).status)
    }
    expect(statuses.slice(0, 10)).not.toContain(429)
    expect(statuses.slice(10)).toEqual([429, 429])
  })
})

describe('the pull of a shared server', () => {
  test('is for the delegator and an admin, not for who knows the id', async () => {
    const server = await start(
      await initialise({ ...SEED, users: [...SEED.users, { email: ADMIN.email, roles: ['admin'] }] }),
    )
    const session = ((await (await logIn(server, ADMIN.email, ADMIN.password)).json()) as { token: string })
      .token
    const headers = { authorization: `Bearer ${session}` }
    const list = await ask(server, `/authsec/clientms/tenants/${server.tenantId}/clients/getClients`, {
      headers,
    })
    const { clients } = (await list.json()) as { clients: { client_id: string }[] }
    const path = `/authsec/uflow/sdk/delegation-token?client_id=${clients[0]?.client_id}`
    expect((await ask(server, path)).status).toBe(401)
    expect((await ask(server, path, { headers: { authorization: 'Bearer x' } })).status).toBe(401)
    expect((await ask(server, path, { headers: { authorization: 'Basic eDp5' } })).status).toBe(401)
    expect((await ask(server, path, { headers })).status).toBe(200)
  })

  test('is for an agent that proves itself by the keys of the seed', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const jwks = { keys: [publicKey.export({ format: 'jwk' }) as Record<string, string>] }
    const server = await start(
      await initialise({
        ...SEED,
        users: [...SEED.users, { email: ADMIN.email, roles: ['admin'] }],
        clients: SEED.clients.map((client) => ({ ...client, jwks })),
      }),
    )
    const login = await logIn(server, ADMIN.email, ADMIN.password)
    const headers = bearer(((await login.json()) as { token: string }).token)
    const path = `/authsec/clientms/tenants/${server.tenantId}/clients/getClients`
    const { clients } = (await (await ask(server, path, { headers })).json()) as {
      clients: { client_id: string }[]
    }
    const agent = (key: KeyObject) =>
      createAuthsecClient({
        serverUrl: ISSUER,
        clientId: clients[0]?.client_id ?? '',
        credentials: { privateKeyJwt: key.export({ type: 'pkcs8', format: 'pem' }) as string },
        clock: { ...systemClock, wall: () => NOW },
        fetch: (input, init) => {
          const request = new Request(input, init)
          request.headers.set('host', HOST.host)
          return server.fetch(request)
        },
      })
    const token = await agent(privateKey).getDelegationToken({ audience: 'https://billing.example' })
    expect(token.permissions).toEqual(['billing:read'])
    const stranger = agent(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey)
    await expect(stranger.getDelegationToken()).rejects.toMatchObject({ code: 'invalid_client' })
  })

  test('is for no program that the delegator has let in, and names the person who pulls', async () => {
    const server = await start(
      await initialise({ ...SEED, users: [...SEED.users, { email: ADMIN.email, roles: ['admin'] }] }),
    )
    const login = await logIn(server, ADMIN.email, ADMIN.password)
    const admin = bearer(((await login.json()) as { token: string }).token)
    const post = async (path: string, headers: object, body: object) => {
      const isForm = body instanceof URLSearchParams
      const type = isForm ? {} : { 'content-type': 'application/json' }
      const init = {
        method: 'POST',
        headers: { ...type, ...headers },
        body: isForm ? body : JSON.stringify(body),
      }
      // biome-ignore lint/suspicious/noExplicitAny: an answer is whatever the server says; the test looks closer.
      return (await ask(server, path, init)).json() as Promise<any>
    }
    const form = (fields: Record<string, string>) => new URLSearchParams(fields)
    const method = { token_endpoint_auth_method: 'client_secret_post' }
    const agent = await post('/oauth/register', admin, {
      ...method,
      client_kind: 'agent',
      agent_type: 'payer',
    })
    const terms = { role_name: 'admin', agent_type: 'payer', allowed_permissions: ['billing:read'] }
    await post('/uflow/delegation-policies', admin, { ...terms, resources: ['*'] })
    const grant = { agent_type: 'payer', audience: ['authsec-api'] }
    await post(`/uflow/admin/agents/${agent.client_id}/delegate-token`, admin, grant)

    const program = await post('/oauth/register', admin, method)
    const letIn = async (
      { client_id, client_secret }: { client_id: string; client_secret: string },
      scope = 'billing:read',
    ) => {
      const asked = form({ client_id, client_secret, scope })
      const device = await post('/oauth/device_authorization', {}, asked)
      await post('/uflow/auth/device/authorize', admin, { user_code: device.user_code, approved: true })
      const grant_type = 'urn:ietf:params:oauth:grant-type:device_code'
      const poll = form({ grant_type, device_code: device.device_code, client_id, client_secret })
      return bearer((await post('/oauth/token', {}, poll)).access_token)
    }
    const pull = async (clientId: string, headers: { authorization: string }) =>
      (await ask(server, `/uflow/sdk/delegation-token?client_id=${clientId}`, { headers })).status
    expect(await pull(agent.client_id, await letIn(program))).toBe(404)
    expect(await pull(agent.client_id, admin)).toBe(200)
    expect(await pull(agent.client_id, await letIn(agent))).toBe(200)
    const path = `/clientms/tenants/${server.tenantId}/clients/getClients`
    const list = await ask(server, path, { headers: admin })
    const { clients } = (await list.json()) as { clients: { client_id: string; name: string }[] }
    const ofAlice = clients.find(({ name }) => name === 'demo-agent')?.client_id ?? ''
    expect(await pull(ofAlice, admin)).toBe(200)
    expect(await pull(ofAlice, await letIn(program, 'admin:access'))).toBe(200)

    const filter = encodeURIComponent('type=delegation.pulled outcome=allow')
    const log = await ask(server, `/audit/events?filter=${filter}`, { headers: admin })
    const { events } = (await log.json()) as {
      events: { event: { act?: object; actor: object; subject: object } }[]
    }
    const delegator = events[0]?.event.subject
    expect(delegator).toMatchObject({ type: 'user' })
    const alice = expect.not.objectContaining(delegator as object)
    expect(events.map(({ event: { act, actor, subject } }) => ({ act, actor, subject }))).toEqual([
      { actor: delegator, subject: delegator },
      // The session that the agent holds itself is the agent.
      { actor: { type: 'client', id: agent.client_id }, subject: delegator },
      { actor: delegator, subject: alice },
      { act: { sub: program.client_id, client_id: program.client_id }, actor: delegator, subject: alice },
    ])
  })

  test('of a client without a proof is refused in a form as well', async () => {
    const server = await start(await initialise(SEED))
    const reply = await ask(server, '/authsec/uflow/sdk/delegation-token', {
      method: 'POST',
      body: new URLSearchParams({ client_id: '11111111-1111-4111-8111-111111111111' }),
    })
    expect(reply.status).toBe(401)
  })
})

describe('a flood of bad requests', () => {
  test('leaves a client that proves itself its own records, and no client that only says its id', async () => {
    const state = await initialise(SEED)
    const server = await start(state)
    const login = await logIn(server, ADMIN.email, ADMIN.password)
    const admin = bearer(((await login.json()) as { token: string }).token)
    const registered = await ask(server, '/oauth/register', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...admin },
      body: JSON.stringify({ token_endpoint_auth_method: 'client_secret_post', scope: 'billing:read' }),
    })
    const { client_id, client_secret } = (await registered.json()) as Record<string, string>
    const list = await ask(server, `/clientms/tenants/${server.tenantId}/clients/getClients`, {
      headers: admin,
    })
    const { clients } = (await list.json()) as { clients: { client_id: string; name: string }[] }
    const publicClient = clients.find(({ name }) => name === 'demo-agent')?.client_id ?? ''

    // What is used up is not given back while the steady clock stands.
    vi.useFakeTimers({ toFake: ['performance'] })
    onTestFinished(() => void vi.useRealTimers())
    /** Asks over a socket, so that all of it comes from one address, and says which event tells of the refusal. */
    const refuse = async (fields: Record<string, string | undefined>): Promise<string> => {
      const body = new URLSearchParams({ grant_type: 'client_credentials', ...(fields as object) })
      const reply = await fetch(`${server.url}/oauth/token`, { method: 'POST', body })
      expect(reply.ok).toBe(false)
      return ((await reply.json()) as { authsec_audit: string }).authsec_audit
    }
    const findEvent = async (id: string, from = server) => {
      const reply = await ask(from, `/audit/events/${id}`, { headers: admin })
      return reply.status === 200 ? ((await reply.json()) as { event: object }).event : reply.status
    }
    const resource = 'https://evil.example'
    const stranger = { client_id: '11111111-1111-4111-8111-111111111111', resource }
    const flood = await Promise.all(Array.from({ length: 30 }, () => refuse(stranger)))
    const findRepeated = (ids: string[]) => ids.find((id, at) => ids.indexOf(id) < at) ?? ''
    const summary = findRepeated(flood)
    expect(new Set(flood).size).toBe(11)
    expect(await findEvent(summary)).toBe(404)

    expect(await refuse({ client_id: publicClient, resource })).toBe(summary)
    expect(await refuse({ client_id, client_secret: 'wrong', resource })).toBe(summary)
    const own = await refuse({ client_id, client_secret, resource })
    expect(await findEvent(own)).toMatchObject({
      type: 'token.issued',
      outcome: 'deny',
      reason: 'invalid_target',
      actor: { type: 'client', id: client_id },
    })

    // Its own budget is no larger than that of a network, and what is beyond it is told in its name.
    const more = await Promise.all(
      Array.from({ length: 30 }, () => refuse({ client_id, client_secret, resource })),
    )
    expect(new Set(more).size).toBe(10)
    await server.close()
    const later = await start(state)
    expect(await findEvent(summary, later)).not.toHaveProperty('client')
    expect(await findEvent(findRepeated(more), later)).toMatchObject({
      type: 'denied.summary',
      client: client_id,
      details: { attempted: 'token.issued', count: 21 },
    })
  })
})

test('a dev server never listens beyond this machine', async () => {
  await expect(startServer({ state: ':memory:', port: 0, host: '0.0.0.0' })).rejects.toMatchObject({
    code: 'usage',
  })
})

function fits(patterns: readonly string[], path: string): boolean {
  return patterns.some((pattern) => {
    const segments = pattern.split('/')
    const asked = path.split('/')
    return (
      segments.length === asked.length &&
      segments.every((segment, index) => segment.startsWith(':') || segment === asked[index])
    )
  })
}
