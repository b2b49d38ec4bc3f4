import { describe, expect, test } from 'vitest'
import { limitConcurrency } from '../../src/authority/concurrency-limit.js'

/** Work that ends when it is told to. */
function createWork() {
  const begun: { name: string; end: (error?: Error) => void }[] = []
  const work = limitConcurrency(
    2,
    (name: string) =>
      new Promise<string>((resolve, reject) => {
        begun.push({ name, end: (error) => (error ? reject(error) : resolve(name)) })
      }),
  )
  return { begun, work }
}

const settle = () => new Promise((resolve) => setImmediate(resolve))

describe('work of which only two may be under way', () => {
  test('begins at once while there is a place, and in order when one becomes free', async () => {
    const { begun, work } = createWork()
    const results = Promise.all(['a', 'b', 'c', 'd'].map((name) => work(name)))
    await settle()
    expect(begun.map(({ name }) => name)).toEqual(['a', 'b'])
    begun[1]?.end()
    await settle()
    expect(begun.map(({ name }) => name)).toEqual(['a', 'b', 'c'])
    for (const { end } of [...begun]) end()
    await settle()
    begun[3]?.end()
    expect(await results).toEqual(['a', 'b', 'c', 'd'])
  })

  test('gives the place of what fails to the next', async () => {
    const { begun, work } = createWork()
    const results = Promise.allSettled(['a', 'b', 'c'].map((name) => work(name)))
    await settle()
    begun[0]?.end(new Error('failed'))
    await settle()
    for (const { end } of [...begun]) end()
    expect((await results).map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled'])
  })

  test('has both places again when all has ended', async () => {
    const { begun, work } = createWork()
    for (const round of [0, 2]) {
      const results = Promise.all(['a', 'b'].map((name) => work(name)))
      await settle()
      expect(begun).toHaveLength(round + 2)
      for (const { end } of begun.slice(round)) end()
      await results
    }
  })
})
