import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { createAuditLog } from '../../src/authority/audit/log.js'
import { DEV_SEED, type Seed } from '../../src/authority/seed.js'
import { applySeed } from '../../src/authority/seed-planting.js'
import { startServer } from '../../src/server/index.js'
import { openStore } from '../../src/store/open.js'
import type { Store, User } from '../../src/store/store.js'
import { createAlteredStore } from '../support/altered-store.js'

const NOW = Date.parse('2026-11-24T09:00:00Z')
const placeOf = (store: Store) => ({
  store,
  audit: createAuditLog({ store, clock: () => NOW, logId: 'authsec/0', tenantId: TENANT, bootId: 'boot' }),
})

async function seed(store: Store) {
  const { admin, delegations } = await applySeed(placeOf(store), undefined, 'tenant', NOW)
  const [delegation] = delegations
  return { admin, agentId: delegation?.clientId as string, delegator: delegation?.user as User }
}

describe('the dev seed', () => {
  test('puts everything there that the first delegation needs', async () => {
    const store = await openStore(':memory:')
    const { admin, delegator, agentId } = await seed(store)
    expect(admin.roles).toEqual(['admin'])
    expect(admin.permissions.has('admin:access')).toBe(true)
    expect(delegator).toMatchObject({ email: 'alice@authsec.test', roles: ['member'], active: true })
    expect(await store.users.findByEmail('bob@authsec.test')).toMatchObject({ roles: ['member'] })
    expect(await store.clients.find(agentId)).toMatchObject({
      name: 'demo-agent',
      clientType: 'ai_agent',
      agentType: 'langchain',
      spiffeId: `spiffe://example.org/tenants/tenant/agents/langchain/${agentId}`,
    })
    expect(await store.policies.list({})).toEqual([
      expect.objectContaining({
        roleName: 'member',
        agentType: 'langchain',
        allowedPermissions: ['billing:read', 'orders:read', 'profile:read'],
        resources: ['https://billing.example', 'https://profile.example', 'https://orders.example'],
        maxTtlSeconds: 86_400,
      }),
    ])
    expect(await store.resources.list()).toHaveLength(3)
  })

  test('keeps admin:access from everybody but the admin, and billing:refund from the agent', async () => {
    const store = await openStore(':memory:')
    const { delegator } = await seed(store)
    expect(delegator.permissions.has('admin:access')).toBe(false)
    expect(delegator.permissions.has('billing:refund')).toBe(true)
    const permissions = (await store.policies.list({})).flatMap((policy) => policy.allowedPermissions)
    expect(permissions).not.toContain('billing:refund')
    expect(permissions).not.toContain('admin:access')
  })

  test('is there once, however often it is applied', async () => {
    const store = await openStore(':memory:')
    const first = await seed(store)
    const before = await readAll(store)
    expect(await seed(store)).toEqual(first)
    expect(await readAll(store)).toEqual(before)
  })

  test('is there whole or not at all', async () => {
    const real = await openStore(':memory:')
    const broken = {
      ...real,
      write: ((work) =>
        real.write((transaction) =>
          work({
            ...transaction,
            settings: {
              ...transaction.settings,
              insert: () => Promise.reject(new Error('the last of its rows fails')),
            },
          }),
        )) as Store['write'],
    }
    await expect(seed(broken)).rejects.toThrow('the last of its rows fails')
    expect(await readAll(real)).toEqual({ clients: [], policies: [], resources: [], alice: undefined })
    await seed(real)
  })

  test('leaves nothing behind on a disk that fails', async () => {
    const store = createAlteredStore(await openStore(':memory:'))
    store.failWrites(new Error('no space'))
    await expect(seed(store)).rejects.toThrow('no space')
    expect((await readAll(store)).clients).toEqual([])
  })
})

const TENANT = '11111111-1111-4111-8111-111111111111'
const OTHER: Seed = {
  ...DEV_SEED,
  tenantId: TENANT,
  users: [...DEV_SEED.users, { email: 'carol@authsec.test', roles: ['member'] }],
  delegations: [{ client: 'demo-agent', user: 'carol@authsec.test', ttlSeconds: 600 }],
}

const endings: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end()
})

async function openMemory() {
  const store = await openStore(':memory:')
  endings.push(() => store.close())
  return store
}

describe('a seed', () => {
  test('fills a state once', async () => {
    const store = await openMemory()
    const first = await applySeed(placeOf(store), undefined, TENANT, 1)
    expect(await applySeed(placeOf(store), undefined, TENANT, 2)).toEqual(first)
    expect((await store.clients.list({ offset: 0, limit: 10 })).total).toBe(1)
  })

  test('gives a client the keys that it proves itself by, and tells the log', async () => {
    const store = await openMemory()
    const { publicKey } = generateKeyPairSync('ed25519')
    const jwks = { keys: [publicKey.export({ format: 'jwk' }) as Record<string, string>] }
    const keyed: Seed = { ...DEV_SEED, clients: DEV_SEED.clients.map((client) => ({ ...client, jwks })) }
    await applySeed(placeOf(store), keyed, TENANT, 1)
    await applySeed(placeOf(store), keyed, TENANT, 2)
    const { clients } = await readAll(store)
    expect(clients).toEqual([
      expect.objectContaining({ authMethod: 'private_key_jwt', jwks: JSON.stringify(jwks) }),
    ])
    const [registered] = (await store.audit.search({ limit: 10 })).filter(({ record }) =>
      record.includes('"client.registered"'),
    )
    expect(JSON.parse(registered?.record ?? '{}')).toMatchObject({
      details: { agent_type: 'langchain', auth_method: 'private_key_jwt' },
    })
    await expect(applySeed(placeOf(store), DEV_SEED, TENANT, 3)).rejects.toMatchObject({ code: 'conflict' })
  })

  test('is refused by a state that was made with another', async () => {
    const store = await openMemory()
    await applySeed(placeOf(store), OTHER, TENANT, 1)
    expect(await applySeed(placeOf(store), OTHER, TENANT, 2)).toMatchObject({
      delegations: [{ ttlSeconds: 600 }],
    })
    await expect(applySeed(placeOf(store), DEV_SEED, TENANT, 3)).rejects.toMatchObject({ code: 'conflict' })
  })

  test('of another tenant is refused by a state that nothing has filled yet', async () => {
    const store = await openMemory()
    const other = TENANT.replaceAll('1', '2')
    await expect(applySeed(placeOf(store), OTHER, other, 1)).rejects.toMatchObject({
      code: 'conflict',
      message: `the state is of tenant "${other}", the seed of "${TENANT}"`,
    })
    expect((await readAll(store)).clients).toEqual([])
    await applySeed(placeOf(store), { ...OTHER, tenantId: undefined }, other, 1)
  })

  test('that gives somebody a role twice is refused', async () => {
    const seed = { ...DEV_SEED, users: [{ email: 'a@b', roles: ['admin', 'member', 'admin'] }] }
    await expect(applySeed(placeOf(await openMemory()), seed, TENANT, 1)).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('users[0].roles[2]: has "admin" twice'),
    })
  })

  test('is found in a state of the first version', async () => {
    const store = await openMemory()
    const [delegation] = (await applySeed(placeOf(store), undefined, TENANT, 1)).delegations
    const agentId = delegation?.clientId as string
    const old: typeof store.settings.find = async (name) =>
      ({ seeded_agent: agentId })[name] ?? (name === 'seed' ? undefined : store.settings.find(name))
    const seeded = await applySeed(placeOf({ ...store, settings: { find: old } }), undefined, TENANT, 2)
    expect(seeded.delegations[0]?.clientId).toBe(agentId)
  })

  test('without an admin is refused', async () => {
    const store = await openMemory()
    const seed = { ...DEV_SEED, users: DEV_SEED.users.slice(1) }
    await expect(applySeed(placeOf(store), seed, TENANT, 1)).rejects.toMatchObject({ code: 'usage' })
  })
})

describe('a server with a seed', () => {
  test('has its tenant, its client and its user, also after a restart without it', async () => {
    const state = await mkdtemp(join(tmpdir(), 'authsec-seed-'))
    endings.push(() => rm(state, { recursive: true }))
    const first = await startServer({ state, port: 0, seed: OTHER })
    await first.close()
    expect(first).toMatchObject({ tenantId: TENANT, user: { email: 'carol@authsec.test' } })
    const second = await startServer({ state, port: 0 })
    await second.close()
    expect(second).toMatchObject({ tenantId: TENANT, clientId: first.clientId, user: first.user })
    await expect(startServer({ state, port: 0, seed: DEV_SEED })).rejects.toMatchObject({ code: 'conflict' })
  })

  test('has the passwords of the seed, which stay when it starts without it, and are written down nowhere', async () => {
    const state = await mkdtemp(join(tmpdir(), 'authsec-seed-'))
    endings.push(() => rm(state, { recursive: true }))
    const password = 'carols own battery'
    const seed: Seed = {
      ...OTHER,
      users: OTHER.users.map((user) => (user.email === 'carol@authsec.test' ? { ...user, password } : user)),
    }
    for (const asked of [{ seed }, {}, { seed: OTHER }]) {
      const server = await startServer({ state, port: 0, ...asked })
      const reply = await server.fetch(
        new Request(`${server.url}/uflow/auth/admin/login`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ email: 'carol@authsec.test', password }),
        }),
      )
      await server.close()
      expect(reply.status).toBe(200)
    }
    for (const file of await readdir(state)) {
      expect(await readFile(join(state, file), 'latin1'), file).not.toContain(password)
    }
    expect(await readFile(join(state, 'passwords.json'), 'utf8')).not.toContain('carol')
    const short = { ...seed, users: [...OTHER.users, { email: 'x@y', roles: [], password: 'short' }] }
    await expect(startServer({ state: ':memory:', port: 0, seed: short })).rejects.toThrow(
      'users[4].password: a password has to have',
    )
  })

  test('that cannot be granted leaves nothing, and the corrected one starts', async () => {
    const state = join(await mkdtemp(join(tmpdir(), 'authsec-seed-')), 'state')
    endings.push(() => rm(dirname(state), { recursive: true }))
    const bad: Seed = { ...OTHER, delegations: [{ client: 'demo-agent', user: 'admin@authsec.test' }] }
    await expect(startServer({ state, port: 0, seed: bad })).rejects.toMatchObject({
      code: 'usage',
      message: expect.stringContaining('delegations[0]: no enabled policy lets admin'),
    })
    await expect(readdir(state)).rejects.toThrow('ENOENT')
    const server = await startServer({ state, port: 0, seed: OTHER })
    await server.close()
    expect(server.user.email).toBe('carol@authsec.test')
  })

  test('starts, and says so, where an admin has taken away what one of its delegations needs', async () => {
    const state = await mkdtemp(join(tmpdir(), 'authsec-seed-'))
    endings.push(() => rm(state, { recursive: true }))
    const first = await startServer({ state, port: 0 })
    const headers = { authorization: `Bearer ${first.adminToken}` }
    const ask = (path: string, method = 'GET') =>
      first.fetch(new Request(`${first.url}/uflow/delegation-policies${path}`, { method, headers }))
    const [policy] = (await (await ask('')).json()) as { id: string }[]
    expect((await ask(`/${policy?.id}`, 'DELETE')).ok).toBe(true)
    await first.close()
    const complaints: unknown[] = []
    const onSurprise = (error: unknown) => complaints.push(error)
    const second = await startServer({ state, port: 0, onSurprise })
    await second.close()
    expect(second.clientId).toBe(first.clientId)
    expect(complaints).toEqual([expect.objectContaining({ code: 'delegation_not_allowed' })])
  })

  test('has to have a delegation to start with', async () => {
    const seed = { ...DEV_SEED, delegations: [] }
    await expect(startServer({ state: ':memory:', port: 0, seed })).rejects.toMatchObject({ code: 'usage' })
  })
})

async function readAll(store: Store) {
  return {
    clients: (await store.clients.list({ offset: 0, limit: 100 })).clients,
    policies: await store.policies.list({}),
    resources: await store.resources.list(),
    alice: await store.users.findByEmail('alice@authsec.test'),
  }
}
