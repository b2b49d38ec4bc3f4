import { describe, expect, test } from 'vitest'
import { shareNext, shareTurn } from '../../src/store/share-next.js'

/** A disk that finishes a flush when it is told to. */
function createDisk() {
  const underWay: { resolve: () => void; reject: (error: Error) => void }[] = []
  const flush = shareNext(() => new Promise<void>((resolve, reject) => underWay.push({ resolve, reject })))
  return { underWay, flush }
}

/** Lets everything go on that waits for nothing but its turn. */
const settle = () => new Promise((resolve) => setImmediate(resolve))

describe('a shared flush', () => {
  test('begins at once while none is under way', () => {
    const { underWay, flush } = createDisk()
    void flush()
    expect(underWay).toHaveLength(1)
  })

  test('is one for all who come while another is under way, and begins only after that', async () => {
    const { underWay, flush } = createDisk()
    const answered: string[] = []
    for (const name of ['first', 'second', 'third']) void flush().then(() => answered.push(name))
    await settle()
    expect(underWay).toHaveLength(1)
    underWay[0]?.resolve()
    await settle()
    expect(answered).toEqual(['first'])
    expect(underWay).toHaveLength(2)
    underWay[1]?.resolve()
    await settle()
    expect(answered).toEqual(['first', 'second', 'third'])
    expect(underWay).toHaveLength(2)
  })

  test('that fails fails for those who wait behind it too, and is not tried for them', async () => {
    const { underWay, flush } = createDisk()
    const results = Promise.allSettled([flush(), flush(), flush()])
    underWay[0]?.reject(new Error('EIO'))
    expect((await results).map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected'])
    expect(underWay).toHaveLength(1)
  })

  test('begins anew after a failure', async () => {
    const { underWay, flush } = createDisk()
    const failed = flush()
    underWay[0]?.reject(new Error('EIO'))
    await expect(failed).rejects.toThrow('EIO')
    const next = flush()
    underWay[1]?.resolve()
    await next
  })
})

describe('what a turn shares', () => {
  test('is one run for all who ask in it, and begins when each of them has', async () => {
    const runs: number[] = []
    const ask = shareTurn(async () => runs.push(runs.length))
    const first = [ask(), ask()]
    expect(runs).toEqual([])
    expect(await Promise.all(first)).toEqual([1, 1])
    expect(await Promise.all([ask(), ask()])).toEqual([2, 2])
    expect(runs).toEqual([0, 1])
  })

  test('is another run for who asks once it has begun', async () => {
    let count = 0
    const later: Promise<number>[] = []
    const ask = shareTurn(async () => {
      count++
      if (count === 1) later.push(ask())
      return count
    })
    expect(await ask()).toBe(1)
    expect(await Promise.all(later)).toEqual([2])
  })

  test('begins anew after a failure', async () => {
    let isBroken = true
    const ask = shareTurn(async () => {
      if (isBroken) throw new Error('EIO')
      return 'read'
    })
    await expect(ask()).rejects.toThrow('EIO')
    isBroken = false
    expect(await ask()).toBe('read')
  })
})
