import { describe, expect, test } from 'vitest'
import { applySeed, DEV_SEED } from '../../src/authority/seed.js'
import { openStore } from '../../src/store/open.js'
import type { Store } from '../../src/store/store.js'
import { createAlteredStore } from '../support/altered-store.js'

const NOW = Date.parse('2026-11-24T09:00:00Z')
const seed = (store: Store) => applySeed(store, DEV_SEED, 'tenant', NOW)

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

async function readAll(store: Store) {
  return {
    clients: (await store.clients.list({ offset: 0, limit: 100 })).clients,
    policies: await store.policies.list({}),
    resources: await store.resources.list(),
    alice: await store.users.findByEmail('alice@authsec.test'),
  }
}
