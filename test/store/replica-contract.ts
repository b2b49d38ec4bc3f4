import { describe, expect, test } from 'vitest'
import type { GetOpened } from './contract.js'

const MINUTE_MS = 60_000

/** What servers know of each other, by the clock of the database. */
export function describeReplicas(getOpened: GetOpened): void {
  const write = (...[work]: Parameters<ReturnType<GetOpened>['store']['write']>) =>
    getOpened().store.write(work)
  const acquire = (holder: string, durationMs = MINUTE_MS) =>
    write(({ leases }) => leases.acquire('work', holder, durationMs))

  describe('a lease', () => {
    test('has one holder, who may renew it', async () => {
      expect(await acquire('a')).toBe(1)
      expect(await acquire('b')).toBeUndefined()
      expect(await acquire('a')).toBe(1)
    })

    test('goes to somebody else under a new epoch once it has ended', async () => {
      await acquire('a', -1)
      expect(await acquire('b')).toBe(2)
      expect(await acquire('a')).toBeUndefined()
    })

    test('can be given back by its holder and by nobody else', async () => {
      await acquire('a')
      await write(({ leases }) => leases.release('work', 'b'))
      expect(await acquire('b')).toBeUndefined()
      await write(({ leases }) => leases.release('work', 'a'))
      expect(await acquire('b')).toBe(2)
    })

    test('of another name is another one', async () => {
      await acquire('a')
      expect(await write(({ leases }) => leases.acquire('other', 'b', MINUTE_MS))).toBe(1)
    })

    test('goes to exactly one of many who want it at once', async () => {
      const epochs = await Promise.all(['a', 'b', 'c', 'd'].map((holder) => acquire(holder)))
      expect(epochs.filter((epoch) => epoch !== undefined)).toEqual([1])
    })
  })

  describe('a server', () => {
    const renew = (bootId: string, keyRevision: number, leaseMs = MINUTE_MS) =>
      write(({ replicas }) => replicas.renew({ bootId, keyRevision, leaseMs }))

    test('is alive until its lease ends, and not when it has left', async () => {
      const { store } = getOpened()
      await renew('a', 1)
      await renew('b', 1, -1)
      expect((await store.replicas.listLive()).map(({ bootId }) => bootId)).toEqual(['a'])
      expect(await store.replicas.isLive('a')).toBe(true)
      expect(await store.replicas.isLive('b')).toBe(false)
      await write(({ replicas }) => replicas.remove('a'))
      expect(await store.replicas.isLive('a')).toBe(false)
    })

    test('has served a revision since it said so first', async () => {
      const { store } = getOpened()
      await renew('a', 1)
      const first = await store.replicas.listLive()
      await renew('a', 1)
      const [again] = await store.replicas.listLive()
      expect(again).toMatchObject({ bootId: 'a', keyRevision: 1 })
      expect(again?.servedMs).toBeGreaterThanOrEqual(first[0]?.servedMs ?? -1)
      await renew('a', 2)
      expect(await store.replicas.listLive()).toMatchObject([{ keyRevision: 2 }])
    })
  })

  test('the time is that of the database, and goes on', async () => {
    const { store } = getOpened()
    const first = await store.replicas.readTime()
    expect(Number.isSafeInteger(first)).toBe(true)
    expect(await store.replicas.readTime()).toBeGreaterThanOrEqual(first)
  })

  describe('a guess', () => {
    const miss = (guesser: string, until: number, now: number) =>
      write(({ guesses }) => guesses.miss(guesser, until, now))

    test('that missed counts until the time of the first one is over', async () => {
      const { guesses } = getOpened().store
      await miss('a', 100, 0)
      await miss('a', 150, 50)
      await miss('b', 150, 50)
      expect(await guesses.find('a', 99)).toEqual({ count: 2, until: 100 })
      expect(await guesses.find('a', 100)).toBeUndefined()
      await miss('a', 200, 100)
      expect(await guesses.find('a', 101)).toEqual({ count: 1, until: 200 })
    })
  })
}
