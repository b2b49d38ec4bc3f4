import { describe, expect, test } from 'vitest'
import type { Transaction } from '../../src/store/store.js'
import type { GetOpened } from './contract.js'
import {
  createClient,
  createDelegation,
  createKey,
  createPolicy,
  createResource,
  createSession,
  createTrustRule,
  fill,
  NOW,
} from './samples.js'

const BILLING = 'https://billing.example'

/** What is put in comes out, what has to be unique is, what is referred to exists. */
export function describeRecords(getOpened: GetOpened): void {
  test('a new store knows nobody', async () => {
    const { store } = getOpened()
    expect(await store.settings.find('tenant_id')).toBeUndefined()
    expect(await store.users.find('alice')).toBeUndefined()
    expect(await store.users.findByEmail('alice')).toBeUndefined()
    expect(await store.clients.find('agent')).toBeUndefined()
    expect(await store.clients.list({ offset: 0, limit: 10 })).toEqual({ clients: [], total: 0 })
    expect(await store.resources.find(BILLING)).toBeUndefined()
    expect(await store.resources.list()).toEqual([])
    expect(await store.policies.list({})).toEqual([])
    expect(await store.delegations.findByClient('agent')).toBeUndefined()
    expect(await store.delegations.findStanding('agent', BILLING)).toBeUndefined()
    expect(await store.keys.list()).toEqual([])
    expect(await store.audit.head()).toBe(-1)
  })

  describe('what has to be unique', () => {
    test.each<{ what: string; first: Change; second: Change }>([
      {
        what: 'the name of a setting',
        first: ({ settings }) => settings.insert({ name: 'n', value: '1' }),
        second: ({ settings }) => settings.insert({ name: 'n', value: '2' }),
      },
      {
        what: 'the name of a role',
        first: ({ users }) => users.insertRole({ name: 'r', permissions: [] }),
        second: ({ users }) => users.insertRole({ name: 'r', permissions: ['a:b'] }),
      },
      {
        what: 'the id of a user',
        first: ({ users }) => users.insert({ id: 'u', email: 'a', roles: [], createdAt: 1 }),
        second: ({ users }) => users.insert({ id: 'u', email: 'b', roles: [], createdAt: 1 }),
      },
      {
        what: 'the address of a user',
        first: ({ users }) => users.insert({ id: 'u', email: 'a', roles: [], createdAt: 1 }),
        second: ({ users }) => users.insert({ id: 'v', email: 'a', roles: [], createdAt: 1 }),
      },
      {
        what: 'the id of a client',
        first: ({ clients }) => clients.insert(createClient('c')),
        second: ({ clients }) => clients.insert(createClient('c', { spiffeId: undefined })),
      },
      {
        what: 'the SPIFFE id of a client',
        first: ({ clients }) => clients.insert(createClient('c', { spiffeId: 'spiffe://x' })),
        second: ({ clients }) => clients.insert(createClient('d', { spiffeId: 'spiffe://x' })),
      },
      {
        what: 'the URI of a resource',
        first: ({ resources }) => resources.insert(createResource(BILLING)),
        second: ({ resources }) => resources.insert(createResource(BILLING, { permissions: [] })),
      },
      {
        what: 'the id of a policy',
        first: ({ policies }) => policies.insert(createPolicy('p', { roleName: 'a' })),
        second: ({ policies }) => policies.insert(createPolicy('p', { roleName: 'b' })),
      },
      {
        what: 'the terms of a policy',
        first: ({ policies }) => policies.insert(createPolicy('p', { roleName: 'a' })),
        second: ({ policies }) => policies.insert(createPolicy('q', { roleName: 'a' })),
      },
      {
        what: 'the id of a session',
        first: async ({ users, sessions }) => {
          await users.insert({ id: 'alice', email: 'alice', roles: [], createdAt: NOW })
          await sessions.insert(createSession('s'))
        },
        second: ({ sessions }) => sessions.insert(createSession('s')),
      },
      {
        what: 'the id of a key',
        first: ({ keys }) => keys.insert(createKey('k')),
        second: ({ keys }) => keys.insert(createKey('k', { purpose: 'base' })),
      },
    ])('$what is taken once: conflict, and nothing of the second is kept', async ({ first, second }) => {
      const { store } = getOpened()
      await store.write(first)
      const refused = store.write(async (transaction) => {
        await transaction.settings.insert({ name: 'trace', value: 'of the second' })
        await second(transaction)
      })
      await expect(refused).rejects.toMatchObject({ name: 'AuthsecError', code: 'conflict' })
      expect(await store.settings.find('trace')).toBeUndefined()
    })

    test('is not the absence of a value: many clients have no SPIFFE id', async () => {
      const { store } = getOpened()
      await store.write(async ({ clients }) => {
        for (const id of ['a', 'b']) await clients.insert(createClient(id, { spiffeId: undefined }))
      })
      expect((await store.clients.list({ offset: 0, limit: 10 })).total).toBe(2)
    })
  })

  test.each<{ what: string; change: Change }>([
    {
      what: 'a user with a role',
      change: ({ users }) => users.insert({ id: 'u', email: 'u', roles: ['nobody'], createdAt: NOW }),
    },
    {
      what: 'a policy for a client',
      change: ({ policies }) => policies.insert(createPolicy('p', { clientId: 'nobody' })),
    },
    {
      what: 'a resource of a client',
      change: ({ resources }) => resources.insert(createResource(BILLING, { clientId: 'nobody' })),
    },
    {
      what: 'a trust rule for a client',
      change: ({ trustRules }) => trustRules.insert(createTrustRule('r', { clientId: 'nobody' })),
    },
    { what: 'a session of a user', change: ({ sessions }) => sessions.insert(createSession('s')) },
    {
      what: 'a delegation of a user by a policy to a client',
      change: ({ delegations }) => delegations.replace(createDelegation('d')),
    },
  ])('$what that does not exist is refused', async ({ change }) => {
    const { store } = getOpened()
    await expect(store.write(change)).rejects.toThrow()
    expect(await store.users.find('u')).toBeUndefined()
    expect(await store.policies.list({})).toEqual([])
    expect(await store.resources.list()).toEqual([])
    expect(await store.trustRules.list()).toEqual([])
    expect(await store.delegations.findByClient('agent')).toBeUndefined()
  })

  describe('users', () => {
    test('have the permissions of all their roles', async () => {
      const { store } = getOpened()
      await fill(store)
      const alice = {
        id: 'alice',
        email: 'alice@authsec.test',
        active: true,
        roles: expect.arrayContaining(['member', 'reader']),
        permissions: new Set(['billing:read', 'billing:refund', 'orders:read']),
      }
      expect(await store.users.find('alice')).toEqual(alice)
      expect(await store.users.findByEmail('alice@authsec.test')).toEqual(alice)
      expect((await store.users.find('alice'))?.roles).toHaveLength(2)
    })

    test('are found by their address in whatever case, unless that leaves a choice', async () => {
      const { store } = getOpened()
      await fill(store)
      expect((await store.users.findByEmail('Alice@AuthSec.test'))?.id).toBe('alice')
      // As older states may have them.
      await store.write(({ users }) =>
        users.insert({ id: 'twin', email: 'Alice@authsec.test', roles: ['member'], createdAt: NOW }),
      )
      expect((await store.users.findByEmail('Alice@authsec.test'))?.id).toBe('twin')
      expect((await store.users.findByEmail('alice@authsec.test'))?.id).toBe('alice')
      expect(await store.users.findByEmail('ALICE@authsec.test')).toBeUndefined()
    })

    test('may have no role, and then hold nothing', async () => {
      const { store } = getOpened()
      await store.write(({ users }) => users.insert({ id: 'u', email: 'u', roles: [], createdAt: NOW }))
      expect(await store.users.find('u')).toMatchObject({ roles: [], permissions: new Set() })
    })

    test('are listed by address, each once, with whether they have a password', async () => {
      const { store } = getOpened()
      await fill(store)
      await store.write(async ({ users, passwords }) => {
        await users.insert({ id: 'u', email: 'aaron@authsec.test', roles: [], createdAt: NOW + 1 })
        await passwords.replace({ userId: 'alice', hash: 'h', failures: 0 })
      })
      const [aaron, alice] = await store.users.list()
      expect(aaron).toEqual({
        id: 'u',
        email: 'aaron@authsec.test',
        active: true,
        roles: [],
        hasPassword: false,
        createdAt: NOW + 1,
      })
      expect(alice).toMatchObject({ id: 'alice', roles: ['member', 'reader'], hasPassword: true })
    })

    test('get other roles in the place of theirs, and may be kept from acting', async () => {
      const { store } = getOpened()
      await fill(store)
      await store.write(async ({ users }) => {
        await users.insert({ id: 'u', email: 'u', roles: ['reader'], createdAt: NOW })
        await users.update({ id: 'alice', roles: ['reader'], active: false })
        await users.updateRole({ name: 'reader', permissions: ['orders:read'] })
      })
      expect(await store.users.find('alice')).toEqual({
        id: 'alice',
        email: 'alice@authsec.test',
        active: false,
        roles: ['reader'],
        permissions: new Set(['orders:read']),
      })
      expect(await store.users.find('u')).toMatchObject({ active: true, roles: ['reader'] })
      expect(await store.users.listRoles()).toEqual([
        { name: 'member', permissions: ['billing:read', 'billing:refund'] },
        { name: 'reader', permissions: ['orders:read'] },
      ])
    })
  })

  describe('clients', () => {
    test.each([
      {
        what: 'with everything',
        client: createClient('c', {
          authMethod: 'private_key_jwt',
          secretHash: 'hash',
          jwks: '{"keys":[]}',
          grantTypes: ['client_credentials'],
          scope: 'billing:read',
          registrationTokenHash: 'other hash',
          registration: '{}',
        }),
      },
      { what: 'registered for no grant', client: createClient('c', { grantTypes: [] }) },
      {
        what: 'with the least',
        client: createClient('c', {
          agentType: undefined,
          spiffeId: undefined,
          platform: undefined,
          selectors: {},
          active: false,
        }),
      },
    ])('come out as they went in: $what', async ({ client }) => {
      const { store } = getOpened()
      await store.write(({ clients }) => clients.insert(client))
      expect(await store.clients.find('c')).toEqual(client)
      expect(await store.clients.list({ offset: 0, limit: 1 })).toEqual({ clients: [client], total: 1 })
    })

    test('are listed newest first, page by page, with the total of all pages', async () => {
      const { store } = getOpened()
      await store.write(async ({ clients }) => {
        for (const [id, age] of Object.entries({ b: 1, a: 1, c: 2, d: 0, e: 3 })) {
          await clients.insert(createClient(id, { createdAt: NOW - age }))
        }
      })
      const pages = await Promise.all([0, 2, 4, 6].map((offset) => store.clients.list({ offset, limit: 2 })))
      expect(pages.map(({ clients }) => clients.map(({ id }) => id))).toEqual([
        ['d', 'a'],
        ['b', 'c'],
        ['e'],
        [],
      ])
      expect(pages.map(({ total }) => total)).toEqual([5, 5, 5, 5])
    })

    test.each([
      { query: { name: 'BOT' }, found: ['Bot_2', 'billing-bot'] },
      { query: { name: '_' }, found: ['Bot_2'] },
      { query: { name: '%' }, found: ['100%'] },
      { query: { name: '\\' }, found: ['back\\slash'] },
      { query: { name: "o'b" }, found: ["o'brien"] },
      { query: { name: 'müller' }, found: ['müller'] },
      { query: { name: '' }, found: ['100%', 'Bot_2', 'back\\slash', 'billing-bot', 'müller', "o'brien"] },
      { query: { name: 'bot', active: true }, found: ['billing-bot'] },
      { query: { active: false }, found: ['Bot_2'] },
      { query: { name: 'nobody' }, found: [] },
    ])('are found by $query', async ({ query, found }) => {
      const { store } = getOpened()
      const names = ['billing-bot', 'Bot_2', '100%', 'back\\slash', "o'brien", 'müller']
      await store.write(async ({ clients }) => {
        for (const name of names) await clients.insert(createClient(name, { name, active: name !== 'Bot_2' }))
      })
      const { clients, total } = await store.clients.list({ ...query, offset: 0, limit: 10 })
      expect(clients.map(({ name }) => name).sort()).toEqual(found)
      expect(total).toBe(found.length)
    })
  })

  describe('resources', () => {
    test('come out as they went in, sorted by URI, compared byte for byte', async () => {
      const { store } = getOpened()
      const owned = createResource('https://a.example/', {
        clientId: 'agent',
        permissions: [],
        signingAlg: 'EdDSA',
      })
      const free = createResource('https://B.example')
      await store.write(async ({ clients, resources }) => {
        await clients.insert(createClient('agent'))
        await resources.insert(owned)
        await resources.insert(free)
      })
      expect(await store.resources.find(owned.uri)).toEqual(owned)
      expect(await store.resources.find('https://a.example')).toBeUndefined()
      expect(await store.resources.find('https://b.example')).toBeUndefined()
      expect(await store.resources.list()).toEqual([free, owned])
    })
  })

  describe('trust rules', () => {
    test('come out as they went in, by name, and go with their client', async () => {
      const { store } = getOpened()
      const [late, early] = [
        createTrustRule('b', { claims: {} }),
        createTrustRule('A', { clientId: 'other' }),
      ]
      await store.write(async ({ clients, trustRules }) => {
        for (const id of ['agent', 'other']) await clients.insert(createClient(id))
        await trustRules.insert(late)
        await trustRules.insert(early)
      })
      expect(await store.trustRules.find('b')).toEqual(late)
      expect(await store.trustRules.find('B')).toBeUndefined()
      expect(await store.trustRules.list()).toEqual([early, late])
      expect(await store.trustRules.list('agent')).toEqual([late])
      await store.write(async ({ clients, trustRules }) => {
        await clients.remove('agent')
        await trustRules.remove('A')
      })
      expect(await store.trustRules.list()).toEqual([])
    })
  })

  describe('passwords', () => {
    test('come out as they went in, and are replaced whole', async () => {
      const { store } = getOpened()
      await fill(store)
      const first = { userId: 'alice', hash: 'scrypt', failures: 3, lockedUntil: NOW, usedAt: NOW + 1 }
      await store.write(({ passwords }) => passwords.replace(first))
      expect(await store.passwords.find('alice')).toEqual(first)
      const next = { userId: 'alice', hash: 'other', failures: 0 }
      await store.write(({ passwords }) => passwords.replace(next))
      expect(await store.passwords.find('alice')).toEqual(next)
      expect(await store.passwords.find('bob')).toBeUndefined()
    })
  })

  describe('keys', () => {
    test('come out as they went in, oldest first, each byte of the sealed one', async () => {
      const { store } = getOpened()
      const bytes = Uint8Array.from({ length: 256 }, (_, byte) => byte)
      const later = createKey('later', { createdAt: NOW + 1, sealedJwk: bytes })
      const secret = createKey('secret', {
        publicJwk: undefined,
        sealedJwk: Buffer.from('a slice').subarray(2),
      })
      await store.write(async ({ keys }) => {
        await keys.insert(later)
        await keys.insert(secret)
      })
      const [first, second] = await store.keys.list()
      expect(first).toEqual({ ...secret, sealedJwk: new Uint8Array(secret.sealedJwk) })
      expect(second).toEqual(later)
    })

    test('change as a whole, and only where nobody else has changed one since', async () => {
      const { store } = getOpened()
      const key = createKey('k', { publishedAt: NOW, activatedAt: NOW + 1 })
      await store.write(({ keys }) => keys.insert(key))
      const before = [await store.keys.revision(), await store.delegations.revision()] as const
      const retired = { ...key, state: 'retired', stoppedAt: NOW + 2 }
      const change = (from: number) =>
        store.write(async ({ keys }) => {
          const isFirst = await keys.advance(from)
          if (isFirst) await keys.update(retired)
          return isFirst
        })
      expect(await change(before[0] - 1)).toBe(false)
      expect(await store.keys.list()).toEqual([key])
      expect([await store.keys.revision(), await store.delegations.revision()]).toEqual(before)

      expect(await Promise.all([change(before[0]), change(before[0])])).toEqual([true, false])
      expect(await store.keys.list()).toEqual([retired])
      expect(await store.keys.findState('k')).toBe('retired')
      expect(await store.keys.findState('nobody')).toBeUndefined()
      expect(await store.delegations.revision()).not.toBe(before[1])
    })
  })

  describe('policies', () => {
    test('come out as they went in, newest first', async () => {
      const { store } = getOpened()
      await fill(store)
      const least = createPolicy('least', {
        allowedPermissions: [],
        resources: [],
        enabled: false,
        createdAt: NOW - 1,
      })
      const full = createPolicy('full', { clientId: 'agent', createdBy: 'alice', createdAt: NOW + 1 })
      await store.write(async ({ policies }) => {
        await policies.insert(least)
        await policies.insert(full)
      })
      expect(await store.policies.list({ agentType: 'langchain' })).toEqual([
        full,
        createPolicy('policy', { roleName: 'member' }),
        least,
      ])
      expect(await store.policies.list({ roleName: full.roleName })).toEqual([full])
      expect(await store.policies.list({ enabled: false })).toEqual([least])
      expect(await store.policies.list({ agentType: 'other' })).toEqual([])
      expect(await store.policies.findByTerms(full.roleName, 'langchain')).toEqual(full)
      expect(await store.policies.findByTerms(full.roleName, 'other')).toBeUndefined()
    })

    test('apply by role and kind of agent, the oldest that is enabled first', async () => {
      const { store } = getOpened()
      await store.write(async ({ policies }) => {
        await policies.insert(createPolicy('off', { roleName: 'a', enabled: false, createdAt: NOW - 9 }))
        await policies.insert(createPolicy('young', { roleName: 'b', createdAt: NOW + 9 }))
        await policies.insert(createPolicy('old', { roleName: 'c' }))
        await policies.insert(
          createPolicy('other', { roleName: 'b', agentType: 'crewai', createdAt: NOW - 5 }),
        )
      })
      const find = async (roles: string[], agentType: string) =>
        (await store.policies.findApplicable(roles, agentType, 'agent'))?.id
      expect(await find(['a', 'b', 'c'], 'langchain')).toBe('old')
      expect(await find(['b'], 'langchain')).toBe('young')
      expect(await find(['a'], 'langchain')).toBeUndefined()
      expect(await find(['b'], 'Langchain')).toBeUndefined()
      expect(await find([], 'langchain')).toBeUndefined()
    })

    test('apply to the client that they are bound to before those for every client', async () => {
      const { store } = getOpened()
      await fill(store)
      await store.write(async ({ clients, policies }) => {
        await clients.insert(createClient('other'))
        await policies.insert(
          createPolicy('elsewhere', { roleName: 'a', clientId: 'other', createdAt: NOW - 9 }),
        )
        await policies.insert(createPolicy('2', { roleName: 'c', createdAt: NOW + 1 }))
        await policies.insert(createPolicy('1', { roleName: 'b', createdAt: NOW + 1 }))
        await policies.insert(createPolicy('own', { roleName: 'd', clientId: 'agent', createdAt: NOW + 9 }))
      })
      const find = async (...roles: string[]) =>
        (await store.policies.findApplicable(roles, 'langchain', 'agent'))?.id
      expect(await find('a', 'b', 'c', 'd')).toBe('own')
      expect(await find('c', 'b', 'a')).toBe('1')
      expect(await find('a')).toBe('elsewhere')
    })
  })

  describe('delegations', () => {
    test('come out as they went in', async () => {
      const { store } = getOpened()
      await fill(store)
      const delegation = createDelegation('d')
      expect(await store.write(({ delegations }) => delegations.replace(delegation))).toEqual(delegation)
      expect(await store.delegations.findByClient('agent')).toEqual(delegation)
      expect(await store.delegations.findByClient('other')).toBeUndefined()
    })

    test('are replaced whole, but keep the id and the time of the first', async () => {
      const { store } = getOpened()
      await fill(store)
      const next = createDelegation('next', {
        permissions: [],
        resources: ['*'],
        jti: 'other',
        sealedToken: new Uint8Array([1]),
        createdAt: NOW + 50,
        updatedAt: NOW + 50,
        expiresAt: NOW + 60,
      })
      const kept = await store.write(async ({ delegations }) => {
        await delegations.replace(createDelegation('first', { status: 'revoked' }))
        return delegations.replace(next)
      })
      expect(kept).toEqual({ ...next, id: 'first', createdAt: NOW })
      expect(await store.delegations.findByClient('agent')).toEqual(kept)
    })

    test('change their status and nothing else, for one client only', async () => {
      const { store } = getOpened()
      await fill(store)
      const other = createDelegation('other', { clientId: 'other' })
      await store.write(async ({ clients, delegations }) => {
        await clients.insert(createClient('other'))
        await delegations.replace(createDelegation('d'))
        await delegations.replace(other)
        await delegations.setStatus('agent', 'revoked', NOW + 7)
      })
      const revoked = createDelegation('d', { status: 'revoked', updatedAt: NOW + 7 })
      expect(await store.delegations.findByClient('agent')).toEqual(revoked)
      expect(await store.delegations.findByClient('other')).toEqual(other)
    })

    test('are sealed anew without any other change', async () => {
      const { store } = getOpened()
      await fill(store)
      const sealedToken = Uint8Array.of(0, 255, 9)
      await store.write(async ({ delegations }) => {
        await delegations.replace(createDelegation('d'))
        const [sealed, ...more] = await delegations.listAll()
        expect([sealed?.clientId, more]).toEqual(['agent', []])
        await delegations.reseal('agent', sealedToken)
      })
      const resealed = { ...createDelegation('d'), sealedToken }
      expect(await store.delegations.findByClient('agent')).toEqual(resealed)
    })

    test('are told with all they stand on', async () => {
      const { store } = getOpened()
      await fill(store)
      await store.write(({ delegations }) => delegations.replace(createDelegation('d')))
      expect(await store.delegations.findStanding('agent', BILLING)).toEqual({
        delegation: createDelegation('d'),
        client: {
          id: 'agent',
          agentType: 'langchain',
          spiffeId: 'spiffe://example.org/agent',
          active: true,
          authMethod: 'none',
        },
        user: await store.users.find('alice'),
        policy: {
          id: 'policy',
          roleName: 'member',
          agentType: 'langchain',
          allowedPermissions: ['billing:read'],
          resources: [BILLING],
          enabled: true,
          clientId: undefined,
        },
        resource: { uri: BILLING, permissions: ['billing:read', 'billing:refund'], signingAlg: 'ES256' },
        revision: await store.delegations.revision(),
      })
      expect(await store.delegations.findStanding('agent', 'https://other.example')).toMatchObject({
        delegation: { id: 'd' },
        resource: undefined,
      })
      expect(await store.delegations.findStanding('other', BILLING)).toBeUndefined()
    })
  })
}

type Change = (transaction: Transaction) => Promise<unknown>
