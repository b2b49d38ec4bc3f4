import { describe, expect, test } from 'vitest'
import type { Store } from '../../src/store/store.js'
import type { GetOpened } from './contract.js'
import { createClient, createRecord } from './samples.js'

// More than fit into one page, so that there has to be room for it.
const LARGE = 'x'.repeat(200_000)

/** How changes become durable: together, in order, each answered for itself. */
export function describeCommits(getOpened: GetOpened): void {
  describe('commits', () => {
    test('settles every one of many concurrent writes with its own value', async () => {
      const { store } = getOpened()
      const values = await Promise.all(numbers(600).map((number) => add(store, `n${number}`)))
      expect(values).toEqual(numbers(600).map((number) => `n${number}`))
      for (const number of [0, 255, 256, 599]) expect(await store.settings.find(`n${number}`)).toBe('here')
      await store.write(({ settings }) => settings.replace({ name: 'n0', value: 'changed' }))
      expect([await store.settings.find('n0'), await store.settings.find('n1')]).toEqual(['changed', 'here'])
    })

    test('takes writes in the order of the calls', async () => {
      const { store } = getOpened()
      const order: number[] = []
      await Promise.all(
        numbers(300).map((number) =>
          store
            .write(async ({ audit }) => audit.append(createRecord(`r${number}`)))
            .then(() => order.push(number)),
        ),
      )
      expect(order).toEqual(numbers(300))
      const found = await store.audit.search({ limit: 1000 })
      expect(found.map(({ record }) => record)).toEqual(numbers(300).map((number) => `record r${number}`))
    })

    test.each([
      { what: 'the first', failing: [0] },
      { what: 'the last', failing: [39] },
      { what: 'one in the middle', failing: [20] },
      { what: 'two neighbours and another', failing: [7, 8, 30] },
      { what: 'all but one', failing: numbers(40).filter((number) => number !== 17) },
    ])('lets only the failing writes fail: $what of forty', async ({ failing }) => {
      const { store } = getOpened()
      const results = await Promise.allSettled(
        numbers(40).map((number) =>
          store.write(async ({ settings, audit }) => {
            await settings.insert({ name: `n${number}`, value: 'here' })
            audit.append(createRecord(`r${number}`))
            if (failing.includes(number)) throw new Error(`refused ${number}`)
          }),
        ),
      )
      const rejected = results.flatMap(({ status }, number) => (status === 'rejected' ? [number] : []))
      expect(rejected).toEqual(failing)
      for (const number of failing) {
        expect(results[number]).toMatchObject({ reason: { message: `refused ${number}` } })
        expect(await store.settings.find(`n${number}`)).toBeUndefined()
      }
      const kept = numbers(40).filter((number) => !failing.includes(number))
      for (const number of kept) expect(await store.settings.find(`n${number}`)).toBe('here')
      const found = await store.audit.search({ limit: 100 })
      expect(found).toEqual(kept.map((number, seq) => ({ seq, record: `record r${number}` })))
    })

    test('lets only the write fail whose record cannot be stored, which is found out last', async () => {
      const { store } = getOpened()
      const results = await Promise.allSettled(
        numbers(20).map((number) =>
          store.write(async ({ settings, audit }) => {
            await settings.insert({ name: `n${number}`, value: 'here' })
            audit.append(createRecord(number === 11 ? 'r3' : `r${number}`))
          }),
        ),
      )
      expect(results.map(({ status }) => status === 'rejected')).toEqual(
        numbers(20).map((number) => number === 11),
      )
      expect(results[11]).toMatchObject({ reason: { code: 'conflict' } })
      expect(await store.settings.find('n11')).toBeUndefined()
      expect(await store.audit.head()).toBe(18)
    })

    test('gives a value that is taken to the first, and the second is told', async () => {
      const { store } = getOpened()
      const results = await Promise.allSettled([add(store, 'same'), add(store, 'same'), add(store, 'other')])
      expect(results).toMatchObject([
        { status: 'fulfilled' },
        { status: 'rejected', reason: { code: 'conflict' } },
        { status: 'fulfilled' },
      ])
    })

    test('does not refuse a write for the sake of one that is undone', async () => {
      const { store } = getOpened()
      const undone = store.write(async ({ settings, audit }) => {
        await settings.insert({ name: 'same', value: 'undone' })
        audit.append(createRecord('r'))
        audit.append(createRecord('r'))
      })
      const [first, second] = await Promise.allSettled([undone, add(store, 'same')])
      expect(first).toMatchObject({ status: 'rejected', reason: { code: 'conflict' } })
      expect(second).toMatchObject({ status: 'fulfilled' })
    })

    test('leaves nothing of a writer that throws synchronously', async () => {
      const { store } = getOpened()
      const throwing = () => {
        throw new TypeError('a bug')
      }
      await expect(store.write(throwing)).rejects.toThrow('a bug')
      expect(await add(store, 'after')).toBe('after')
    })

    test('shows a change to its own transaction at once and to others when it is durable', async () => {
      const { store } = getOpened()
      let outside: Promise<string | undefined> | undefined
      const written = store.write(async ({ settings }) => {
        await settings.insert({ name: 'new', value: 'here' })
        outside = store.settings.find('new').then((value) => value ?? 'nothing')
        expect(await settings.find('new')).toBe('here')
        throw new Error('undone')
      })
      await expect(written).rejects.toThrow('undone')
      expect(await outside).toBe('nothing')
    })

    test('cannot be changed outside a transaction', async () => {
      const { store } = getOpened()
      expect(Object.keys(store)).not.toContain('transaction')
      await expect(
        // The type does not offer it.
        (store.clients as unknown as { insert(client: object): Promise<void> }).insert(createClient('c')),
      ).rejects.toThrow()
    })

    test('finishes what waits before it closes, and then says that it is closed', async () => {
      const { store } = getOpened()
      const waiting = numbers(300).map((number) => add(store, `n${number}`))
      await store.close()
      expect(await Promise.all(waiting)).toHaveLength(300)
      await expect(add(store, 'late')).rejects.toMatchObject({ code: 'temporarily_unavailable' })
      await store.close()
    })
  })

  describe('a full disk', () => {
    test('fails every write with temporarily_unavailable, keeps nothing of them, and is got over', async () => {
      const { store, exhaust, relieve } = getOpened()
      await add(store, 'before')
      await store.write(async ({ audit }) => audit.append(createRecord('before')))
      await exhaust()

      const results = await Promise.allSettled(numbers(5).map((number) => addLarge(store, number)))
      for (const result of results) {
        expect(result).toMatchObject({
          status: 'rejected',
          reason: { name: 'AuthsecError', code: 'temporarily_unavailable', retryable: true },
        })
      }
      expect(await store.settings.find('before')).toBe('here')
      expect(await store.settings.find('large 0')).toBeUndefined()
      expect(await store.audit.head()).toBe(0)

      await relieve()
      await Promise.all(numbers(5).map((number) => addLarge(store, number)))
      expect(await store.settings.find('large 4')).toBe(LARGE)
      expect((await store.audit.search({ limit: 10 })).map(({ seq }) => seq)).toEqual([0, 1, 2, 3, 4, 5])
    })
  })
}

function add(store: Store, name: string): Promise<string> {
  return store.write(async ({ settings }) => {
    await settings.insert({ name, value: 'here' })
    return name
  })
}

function addLarge(store: Store, number: number): Promise<void> {
  return store.write(async ({ settings, audit }) => {
    await settings.insert({ name: `large ${number}`, value: LARGE })
    audit.append(createRecord(`large ${number}`))
  })
}

function numbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index)
}
