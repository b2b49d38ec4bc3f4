import { describe, expect, test } from 'vitest'
import type { Approval } from '../../src/store/approvals.js'
import type { Store } from '../../src/store/store.js'
import type { GetOpened } from './contract.js'
import { createApproval, createClient, createSession, fill, NOW } from './samples.js'

/** What counts until a moment, does so up to it, and once where it may be used once. */
export function describeExpiry(getOpened: GetOpened): void {
  describe('revocations', () => {
    test('are known until the token would have expired by itself', async () => {
      const { store } = getOpened()
      const revoke = (jti: string, expiresAt: number) =>
        store.write(({ revocations }) => revocations.insert({ jti, expiresAt }))
      await revoke('a', NOW + 10)
      await revoke('a', NOW + 10)
      expect(await store.revocations.hasAny(['b', 'a'])).toBe(true)
      expect(await store.revocations.hasAny(['b'])).toBe(false)
      expect(await store.revocations.hasAny([])).toBe(false)
      await revoke('within', NOW + 10.5)
      await store.write(({ revocations }) => revocations.sweep(NOW + 11))
      expect(await store.revocations.hasAny(['a'])).toBe(false)
      expect(await store.revocations.hasAny(['within'])).toBe(true)
    })
  })

  describe('uses', () => {
    test('are known through the millisecond in which the token ends', async () => {
      const { store } = getOpened()
      const use = (jti: string, expiresAt: number) =>
        store.write(({ uses }) => uses.insert({ jti, expiresAt }))
      expect(await use('ended', NOW)).toBe(true)
      expect(await use('within', NOW + 0.5)).toBe(true)
      expect(await use('within', NOW + 0.5)).toBe(false)
      await store.write(({ uses }) => uses.sweep(NOW + 1))
      expect(await store.uses.has('ended')).toBe(false)
      expect(await store.uses.has('within')).toBe(true)
    })
  })

  describe('sessions', () => {
    test.each([
      { what: 'with the least', session: createSession('s') },
      {
        what: 'with everything',
        session: createSession('s', { kind: 'device', clientId: 'c', permissions: [], bootId: 'b' }),
      },
    ])('come out as they went in: $what', async ({ session }) => {
      const { store } = getOpened()
      await fill(store)
      await store.write(({ sessions }) => sessions.insert(session))
      expect(await store.sessions.find('s')).toEqual(session)
      expect(await store.sessions.find('t')).toBeUndefined()
    })

    test('end, once or again, and only the one that was meant', async () => {
      const { store } = getOpened()
      await fill(store)
      await store.write(async ({ sessions }) => {
        for (const id of ['s', 't']) await sessions.insert(createSession(id))
        for (const id of ['s', 's', 'nobody']) await sessions.remove(id)
      })
      expect(await store.sessions.find('s')).toBeUndefined()
      expect(await store.sessions.find('t')).toEqual(createSession('t'))
    })

    test('of a user end together, but one, and that of the run of a server', async () => {
      const { store } = getOpened()
      await fill(store)
      const sessions = [
        createSession('kept'),
        createSession('s'),
        createSession('held', { kind: 'device', clientId: 'agent' }),
        createSession('page', { kind: 'page' }),
        createSession('boot', { kind: 'boot', bootId: 'b' }),
        createSession('other', { userId: 'bob' }),
      ]
      await store.write(async (transaction) => {
        await transaction.users.insert({ id: 'bob', email: 'bob', roles: [], createdAt: NOW })
        for (const session of sessions) await transaction.sessions.insert(session)
        await transaction.sessions.removeByUser('alice', 'kept')
      })
      const found = await Promise.all(sessions.map(({ id }) => store.sessions.find(id)))
      expect(found.map((session) => session?.id)).toEqual([
        'kept',
        undefined,
        undefined,
        undefined,
        'boot',
        'other',
      ])
    })

    test('are forgotten when another one starts after their end', async () => {
      const { store } = getOpened()
      await fill(store)
      const insert = (id: string, createdAt: number, expiresAt: number) =>
        store.write(({ sessions }) => sessions.insert(createSession(id, { createdAt, expiresAt })))
      await insert('short', NOW, NOW + 10)
      await insert('long', NOW, NOW + 11)
      await insert('next', NOW + 10, NOW + 20)
      expect(await store.sessions.find('short')).toBeUndefined()
      expect(await store.sessions.find('long')).toBeDefined()
    })
  })

  describe('approvals', () => {
    test('that wait are counted by who has asked, over which contract, for what', async () => {
      const { store } = getOpened()
      const alike = { kind: 'device', form: 'oauth', clientId: 'a' } as const
      const asked: readonly Partial<Approval>[] = [
        alike,
        alike,
        { ...alike, clientId: 'b' },
        { ...alike, clientId: undefined },
        { ...alike, form: 'tenant' },
        { ...alike, kind: 'ciba' },
        { ...alike, status: 'denied' },
        { ...alike, expiresAt: NOW },
      ]
      await store.write(async ({ approvals }) => {
        for (const [index, fields] of asked.entries())
          await approvals.insert(createApproval(`${index}`, fields), 0)
      })
      expect(await store.approvals.countPending(alike, NOW)).toBe(2)
      for (const other of asked.slice(2, 6) as (typeof alike)[])
        expect(await store.approvals.countPending(other, NOW)).toBe(1)
    })
  })

  describe('assertions', () => {
    const use = (store: Store, jtiHash: string, clientId = 'agent', expiresAt = NOW) =>
      store.write(({ assertions }) => assertions.use({ clientId, jtiHash, expiresAt }))

    test('are used once by each client, also when many try at once', async () => {
      const { store } = getOpened()
      await fill(store)
      await store.write(({ clients }) => clients.insert(createClient('other')))
      const answers = await Promise.all(Array.from({ length: 20 }, () => use(store, 'a')))
      expect(answers).toEqual([true, ...Array(19).fill(false)])
      expect(await use(store, 'b')).toBe(true)
      expect(await use(store, 'a', 'other')).toBe(true)
      expect(await use(store, 'a')).toBe(false)
    })

    test('are forgotten after their end and not before', async () => {
      const { store } = getOpened()
      await fill(store)
      await use(store, 'old', 'agent', NOW)
      await use(store, 'new', 'agent', NOW + 1)
      await use(store, 'within', 'agent', NOW + 0.5)
      await store.write(({ assertions }) => assertions.sweep(NOW + 1))
      expect(await use(store, 'old')).toBe(true)
      expect(await use(store, 'new')).toBe(false)
      expect(await use(store, 'within')).toBe(false)
    })
  })
}
