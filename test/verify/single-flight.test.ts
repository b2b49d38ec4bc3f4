import { describe, expect, test } from 'vitest'
import { createSingleFlight, elapsedSince } from '../../src/verify/single-flight.js'

/** A flight over work that ends as told, and a clock that is moved by hand. */
function openFlight(...outcomes: (string | Error | Promise<string>)[]) {
  let now = 0
  let starts = 0
  const flight = createSingleFlight(
    async () => {
      const outcome = outcomes[Math.min(starts++, outcomes.length - 1)]
      if (outcome instanceof Error) throw outcome
      return outcome
    },
    () => now,
  )
  return {
    flight,
    starts: () => starts,
    pass: (ms: number) => {
      now += ms
    },
  }
}

describe('a single flight', () => {
  test('is one for all who come while it lasts', async () => {
    const { flight, starts } = openFlight('first', 'second')
    expect(await Promise.all([flight.run(), flight.run()])).toEqual(['first', 'first'])
    expect(starts()).toBe(1)
    expect(await flight.run()).toBe('second')
  })

  test('says whether it is under way and since when', async () => {
    const { flight, pass } = openFlight('done')
    expect(flight.sinceStart()).toBe(Number.POSITIVE_INFINITY)
    const running = flight.run()
    expect(flight.isRunning()).toBe(true)
    await running
    pass(5)
    expect(flight.isRunning()).toBe(false)
    expect(flight.sinceStart()).toBe(5)
  })

  test('is begun anew where it has not ended in ten seconds, whatever becomes of the old one', async () => {
    const ends: ((text: string) => void)[] = []
    const open = () => new Promise<string>((resolve) => ends.push(resolve))
    const { flight, pass } = openFlight(open(), open())
    const dropped = flight.run()
    pass(9_999)
    expect(flight.run()).toBe(dropped)
    pass(1)
    expect(flight.isRunning()).toBe(false)
    const second = flight.run()
    expect(second).not.toBe(dropped)
    ends[0]?.('first')
    expect(await dropped).toBe('first')
    expect(flight.run()).toBe(second)
    ends[1]?.('second')
    expect(await second).toBe('second')
  })

  test('knows how its newest work has ended, whenever an older one does', async () => {
    const failure = new Error('down')
    const ends: { resolve: (text: string) => void; reject: (error: Error) => void }[] = []
    const open = () => new Promise<string>((resolve, reject) => ends.push({ resolve, reject }))
    const { flight, pass } = openFlight(open(), open(), open())
    const runNext = () => {
      pass(10_000)
      return flight.run()
    }
    const [first, second] = [runNext(), runNext()]
    ends[1]?.resolve('second')
    expect(await second).toBe('second')
    ends[0]?.reject(failure)
    await expect(first).rejects.toBe(failure)
    expect(flight.lastFailure()).toBeUndefined()
  })

  test('rests after a failure, twice as long after each, and at most 30 seconds', async () => {
    const failure = new Error('down')
    const { flight, starts, pass } = openFlight(failure)
    const restAfterEach = async (rest: number, attempt: number) => {
      await expect(flight.run()).rejects.toBe(failure)
      pass(rest - 1)
      await expect(flight.run()).rejects.toBe(failure)
      expect(starts()).toBe(attempt)
      pass(1)
    }
    await restAfterEach(1_000, 1)
    await restAfterEach(2_000, 2)
    await restAfterEach(4_000, 3)
    await restAfterEach(8_000, 4)
    await restAfterEach(16_000, 5)
    await restAfterEach(30_000, 6)
    await restAfterEach(30_000, 7)
  })

  test('forgets its failure with the next success', async () => {
    const failure = new Error('down')
    const { flight, pass } = openFlight(failure, 'up', failure)
    await expect(flight.run()).rejects.toBe(failure)
    expect(flight.lastFailure()).toBe(failure)
    pass(1_000)
    await expect(flight.run()).resolves.toBe('up')
    expect(flight.lastFailure()).toBeUndefined()
    await expect(flight.run()).rejects.toBe(failure)
    pass(1_000)
    await expect(flight.run()).rejects.toBe(failure)
  })

  test('does not rest because the clock was set back', async () => {
    const { flight, starts, pass } = openFlight(new Error('down'), 'up')
    await expect(flight.run()).rejects.toThrow('down')
    pass(-3_600_000)
    await expect(flight.run()).resolves.toBe('up')
    expect(starts()).toBe(2)
  })
})

test.each([
  { what: 'is the distance', instant: 40, elapsed: 60 },
  { what: 'is zero now', instant: 100, elapsed: 0 },
  {
    what: 'is forever when it never was',
    instant: Number.NEGATIVE_INFINITY,
    elapsed: Number.POSITIVE_INFINITY,
  },
  { what: 'is forever when the clock was set back', instant: 101, elapsed: Number.POSITIVE_INFINITY },
])('the time since an instant $what', ({ instant, elapsed }) => {
  expect(elapsedSince(instant, () => 100)).toBe(elapsed)
})
