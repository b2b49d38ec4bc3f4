import { describe, expect, test } from 'vitest'
import { AuthsecError } from '../../src/core/errors.js'
import { createGroupCommit, type RunInTransaction } from '../../src/store/group-commit.js'
import { createGate } from '../support/gate.js'

/** Runs works as an engine does, and remembers what each transaction committed. */
function createEngine(atTheEnd: (rows: readonly string[]) => void = () => {}) {
  const committed: string[][] = []
  const transact: RunInTransaction<string[]> = async (works) => {
    const rows: string[] = []
    await works(rows)
    atTheEnd(rows)
    committed.push(rows)
  }
  return { committed, commits: createGroupCommit({ transact, flush: async () => {}, recover: () => {} }) }
}

const add = (name: string) => async (rows: string[]) => {
  rows.push(name)
  return name
}
const refuse = (name: string) => async (rows: string[]) => {
  rows.push(name)
  throw new Error(`refused ${name}`)
}

describe('group commit', () => {
  test('commits together what was asked for at once', async () => {
    const { committed, commits } = createEngine()
    expect(await Promise.all(['a', 'b', 'c'].map((name) => commits.write(add(name))))).toEqual([
      'a',
      'b',
      'c',
    ])
    expect(committed).toEqual([['a', 'b', 'c']])
  })

  test('commits together what was asked for while another group was committed', async () => {
    const { committed, commits } = createEngine()
    const later: Promise<string>[] = []
    await commits.write(async (rows) => {
      later.push(commits.write(add('b')), commits.write(add('c')))
      rows.push('a')
    })
    await Promise.all(later)
    expect(committed).toEqual([['a'], ['b', 'c']])
  })

  test('takes along what was asked for while the transaction waited for its turn', async () => {
    const committed: string[][] = []
    const [isWaiting, turn] = [createGate(), createGate()]
    const transact: RunInTransaction<string[]> = async (works) => {
      isWaiting.open()
      await turn.opened
      const rows: string[] = []
      await works(rows)
      committed.push(rows)
    }
    const commits = createGroupCommit({ transact, flush: async () => {}, recover: () => {} })
    const first = commits.write(add('a'))
    await isWaiting.opened
    const second = commits.write(add('b'))
    turn.open()
    await Promise.all([first, second])
    expect(committed).toEqual([['a', 'b']])
  })

  test('takes no more than 256 into one transaction', async () => {
    const { committed, commits } = createEngine()
    await Promise.all(Array.from({ length: 600 }, (_, index) => commits.write(add(`${index}`))))
    expect(committed.map((rows) => rows.length)).toEqual([256, 256, 88])
    expect(committed.flat()).toEqual(Array.from({ length: 600 }, (_, index) => `${index}`))
  })

  test('keeps the others together when one throws: two flushes, not one for each', async () => {
    const { committed, commits } = createEngine()
    const works = [add('a'), add('b'), refuse('x'), add('c'), add('d')]
    const results = await Promise.allSettled(works.map((work) => commits.write(work)))
    expect(results.map(({ status }) => status === 'fulfilled')).toEqual([true, true, false, true, true])
    expect(committed).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ])
  })

  test('finds by halves the one that makes the commit fail', async () => {
    const { committed, commits } = createEngine((rows) => {
      if (rows.includes('5')) throw new Error('a bad row')
    })
    const results = await Promise.allSettled(
      Array.from({ length: 8 }, (_, index) => commits.write(add(`${index}`))),
    )
    expect(results.flatMap(({ status }, index) => (status === 'rejected' ? [index] : []))).toEqual([5])
    expect(committed).toEqual([['0', '1', '2', '3'], ['4'], ['6', '7']])
  })

  test('tries nothing again when nobody knows whether the commit took place', async () => {
    let tries = 0
    const { commits } = createEngine(() => {
      tries++
      throw new AuthsecError('temporarily_unavailable', 'lost')
    })
    const results = await Promise.allSettled(['a', 'b', 'c'].map((name) => commits.write(add(name))))
    for (const result of results) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'temporarily_unavailable' } })
    }
    expect(tries).toBe(1)
  })

  test('asks once, not for each, where no transaction comes about', async () => {
    let tries = 0
    const commits = createGroupCommit<string[]>({
      async transact() {
        tries++
        throw new AuthsecError('temporarily_unavailable', 'nobody there')
      },
      flush: async () => {},
      recover: () => {},
    })
    const results = await Promise.allSettled(['a', 'b', 'c'].map((name) => commits.write(add(name))))
    for (const result of results) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'temporarily_unavailable' } })
    }
    expect(tries).toBe(1)
  })

  test('goes on after a failure', async () => {
    const { committed, commits } = createEngine()
    await expect(commits.write(refuse('x'))).rejects.toThrow('refused x')
    await commits.write(add('a'))
    expect(committed).toEqual([['a']])
  })

  test('answers only after the flush', async () => {
    const steps: string[] = []
    const commits = createGroupCommit<string[]>({
      async transact(works) {
        await works([])
        steps.push('committed')
      },
      async flush() {
        await new Promise((resolve) => setImmediate(resolve))
        steps.push('flushed')
      },
      recover: () => {},
    })
    await commits.write(add('a')).then(() => steps.push('answered'))
    expect(steps).toEqual(['committed', 'flushed', 'answered'])
  })

  test('finishes what waits when it is drained, then takes nothing more', async () => {
    const { committed, commits } = createEngine()
    const waiting = commits.write(add('a'))
    await commits.drain()
    expect(committed).toEqual([['a']])
    expect(await waiting).toBe('a')
    await expect(commits.write(add('b'))).rejects.toMatchObject({ code: 'temporarily_unavailable' })
    expect(committed).toEqual([['a']])
  })
})
