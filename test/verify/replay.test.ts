import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createMemoryReplayStore, type MemoryReplayOptions } from '../../src/verify/index.js'
import { ISSUED_AT } from '../support/token-issuer.js'

const SECOND = 1_000

function openStore(entries?: number) {
  let now = ISSUED_AT
  const store = createMemoryReplayStore({
    singleProcess: true,
    clock: () => now,
    ...(entries !== undefined && { entries }),
  })
  return {
    store,
    pass: (ms: number) => {
      now += ms
    },
  }
}

describe('a replay store in memory', () => {
  test('is not made with a member that there is not', () => {
    expect(() => createMemoryReplayStore({ singleProcess: true, entry: 5 } as never)).toThrow(
      expect.objectContaining({ code: 'configuration', hint: 'Did you mean entries?' }),
    )
  })

  test.each([undefined, {}, { singleProcess: false }, { singleProcess: 'yes' }])(
    'is not made by %j, which does not say that there is one process',
    (options) => {
      expect(() => createMemoryReplayStore(options as MemoryReplayOptions)).toThrow(
        'a replay store in memory is for a single process: say so with "singleProcess"',
      )
    },
  )

  test.each([0, -1, 1.5, '5', Number.NaN])('is not made for %s entries', (entries) => {
    expect(() => openStore(entries as number)).toThrow('the option "entries" is not a whole number from 1')
  })

  test('tells a key from its repetition until its time is over', () => {
    const { store, pass } = openStore()
    expect(store.add('a', 60)).toBe(true)
    expect(store.add('a', 60)).toBe(false)
    expect(store.add('b', 60)).toBe(true)
    pass(60 * SECOND - 1)
    expect(store.add('a', 60)).toBe(false)
    pass(1)
    expect(store.add('a', 60)).toBe(true)
  })

  test('forgets nothing by a clock that was set ahead and back', () => {
    vi.useFakeTimers({ now: ISSUED_AT })
    onTestFinished(() => void vi.useRealTimers())
    const store = createMemoryReplayStore({ singleProcess: true })
    expect(store.add('a', 60)).toBe(true)
    vi.setSystemTime(ISSUED_AT + 3_600 * SECOND)
    expect(store.add('b', 60)).toBe(true)
    vi.setSystemTime(ISSUED_AT + SECOND)
    expect(store.add('a', 60)).toBe(false)
    vi.advanceTimersByTime(60 * SECOND)
    expect(store.add('a', 60)).toBe(true)
  })

  test('has room for 100,000 where nobody says for how many', () => {
    const store = createMemoryReplayStore({ singleProcess: true, clock: () => ISSUED_AT })
    const added = Array.from({ length: 100_000 }, (_, at) => store.add(`token-${at}`, 60))
    expect(added.every((isNew) => isNew)).toBe(true)
    expect(() => store.add('one more', 60)).toThrow('100000 one-time tokens are remembered')
  })

  test('remembers nothing more when it is full, until something is over', () => {
    const { store, pass } = openStore(2)
    store.add('long', 300)
    store.add('short', 60)
    const full = expect.objectContaining({ code: 'temporarily_unavailable', retryable: true })
    expect(() => store.add('c', 60)).toThrow(full)
    expect(store.add('long', 300)).toBe(false)
    pass(60 * SECOND)
    expect(store.add('c', 60)).toBe(true)
    expect(() => store.add('d', 60)).toThrow(full)
  })

  test('answers at once', () => {
    expect(openStore().store.synchronous).toBe(true)
  })
})
