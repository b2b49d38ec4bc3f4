import { describe, expect, test } from 'vitest'
import type { Store, Transaction } from '../../src/store/store.js'
import type { GetOpened } from './contract.js'
import {
  createClient,
  createDelegation,
  createKey,
  createPolicy,
  createRecord,
  createResource,
  createTrustRule,
  NOW,
} from './samples.js'

const BILLING = 'https://billing.example'

const CHANGES: readonly { what: string; change: (transaction: Transaction) => Promise<unknown> }[] = [
  { what: 'a role', change: ({ users }) => users.insertRole({ name: 'new', permissions: [] }) },
  {
    what: 'a user',
    change: ({ users }) => users.insert({ id: 'new', email: 'n', roles: [], createdAt: NOW }),
  },
  {
    what: 'the permissions of a role',
    change: ({ users }) => users.updateRole({ name: 'member', permissions: [] }),
  },
  {
    what: 'the roles of a user',
    change: ({ users }) => users.update({ id: 'alice', roles: [], active: true }),
  },
  { what: 'a client', change: ({ clients }) => clients.insert(createClient('new')) },
  { what: 'a resource', change: ({ resources }) => resources.insert(createResource('https://new.example')) },
  { what: 'a trust rule', change: ({ trustRules }) => trustRules.insert(createTrustRule('new')) },
  { what: 'a policy', change: ({ policies }) => policies.insert(createPolicy('new')) },
  { what: 'a delegation', change: ({ delegations }) => delegations.replace(createDelegation('new')) },
  {
    what: 'the status of a delegation',
    change: ({ delegations }) => delegations.setStatus('agent', 'revoked', NOW + 5),
  },
]

/** Deciding outside a transaction and committing only while the decision still holds. */
export function describeRevision(getOpened: GetOpened): void {
  describe('the revision of authority', () => {
    test.each(CHANGES)('changes with $what', async ({ change }) => {
      const { store } = getOpened()
      await fill(store)
      const before = await store.delegations.revision()
      await store.write(change)
      expect(await store.delegations.revision()).not.toBe(before)
    })

    test('stands while only settings, keys and records are added', async () => {
      const { store } = getOpened()
      await fill(store)
      const before = await store.delegations.revision()
      await store.write(async ({ settings, keys, audit }) => {
        await settings.insert({ name: 'n', value: 'v' })
        await keys.insert(createKey('k'))
        audit.append(createRecord('r'))
      })
      expect(await store.delegations.revision()).toBe(before)
    })

    test.each(CHANGES)('stands after $what that was undone', async ({ change }) => {
      const { store } = getOpened()
      await fill(store)
      const before = await store.delegations.revision()
      const undone = store.write(async (transaction) => {
        await change(transaction)
        expect(await transaction.delegations.revision()).not.toBe(before)
        throw new Error('undone')
      })
      await expect(undone).rejects.toThrow('undone')
      expect(await store.delegations.revision()).toBe(before)
    })

    test('is the one under which a standing was read', async () => {
      const { store } = getOpened()
      await fill(store)
      const standing = await store.delegations.findStanding('agent', BILLING)
      expect(standing?.revision).toBe(await store.delegations.revision())
    })

    test('never stands twice for the same number in any of many changes', async () => {
      const { store } = getOpened()
      const seen = await Promise.all(
        Array.from({ length: 100 }, (_, number) =>
          store.write(async ({ clients, delegations }) => {
            await clients.insert(createClient(`c${number}`))
            return delegations.revision()
          }),
        ),
      )
      expect(new Set(seen).size).toBe(100)
    })
  })

  describe('a decision that is committed later', () => {
    test('is committed when nothing has changed', async () => {
      const { store } = getOpened()
      await fill(store)
      expect(await issue(store, await decide(store), 'issued')).toBe('issued')
    })

    test('is refused when authority changed in between, and leaves no record', async () => {
      const { store } = getOpened()
      await fill(store)
      const decided = await decide(store)
      await store.write(({ delegations }) => delegations.setStatus('agent', 'revoked', NOW + 5))
      await expect(issue(store, decided, 'too late')).rejects.toThrow('something changed')
      expect(await store.audit.head()).toBe(-1)
    })

    test('sees a change that is committed with it in one transaction', async () => {
      const { store } = getOpened()
      await fill(store)
      const decided = await decide(store)
      const results = await Promise.allSettled([
        issue(store, decided, 'early'),
        store.write(({ delegations }) => delegations.setStatus('agent', 'revoked', NOW + 5)),
        issue(store, decided, 'late'),
      ])
      expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected'])
      const found = await store.audit.search({ limit: 10 })
      expect(found).toEqual([{ seq: 0, record: 'record early' }])
    })

    test('reads the standing inside the transaction as it has become', async () => {
      const { store } = getOpened()
      await fill(store)
      const [, status] = await Promise.all([
        store.write(({ delegations }) => delegations.setStatus('agent', 'expired', NOW + 5)),
        store.write(
          async ({ delegations }) => (await delegations.findStanding('agent', BILLING))?.delegation.status,
        ),
      ])
      expect(status).toBe('expired')
    })
  })
}

async function decide(store: Store): Promise<number> {
  const standing = await store.delegations.findStanding('agent', BILLING)
  return standing?.revision ?? Number.NaN
}

function issue(store: Store, revision: number, id: string): Promise<string> {
  return store.write(async ({ delegations, audit }) => {
    if ((await delegations.revision()) !== revision) throw new Error('something changed')
    audit.append(createRecord(id))
    return id
  })
}

/** A delegation of alice to the agent, and what it stands on. */
async function fill(store: Store): Promise<void> {
  await store.write(async ({ users, clients, resources, policies, delegations }) => {
    await users.insertRole({ name: 'member', permissions: ['billing:read'] })
    await users.insert({ id: 'alice', email: 'alice@authsec.test', roles: ['member'], createdAt: NOW })
    await clients.insert(createClient('agent'))
    await resources.insert(createResource(BILLING))
    await policies.insert(createPolicy('policy', { roleName: 'member' }))
    await delegations.replace(createDelegation('delegation'))
  })
}
