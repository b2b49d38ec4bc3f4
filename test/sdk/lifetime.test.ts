import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { baseLifetime, callLifetime, remaining } from '../../src/sdk/lifetime.js'
import { createFakeClock } from '../support/fake-clock.js'

const START = { wall: 0, monotonic: 0 }
const noSpread = () => 0.5

describe('callLifetime', () => {
  test.each([
    { life: 10, soft: 5, hard: 2 },
    { life: 30, soft: 7.5, hard: 2 },
    { life: 60, soft: 15, hard: 3 },
    { life: 120, soft: 30, hard: 6 },
    { life: 300, soft: 75, hard: 10 },
    { life: 600, soft: 120, hard: 10 },
    { life: 900, soft: 120, hard: 10 },
    { life: 3600, soft: 120, hard: 10 },
  ])('gives $life s a soft window of $soft s and a hard one of $hard s', ({ life, soft, hard }) => {
    const lifetime = callLifetime(START, life * 1000, noSpread)
    expect(lifetime.soft).toBeCloseTo(soft * 1000)
    expect(lifetime.hard).toBeCloseTo(hard * 1000)
  })

  test('spreads the soft window by a fifth to both sides', () => {
    expect(callLifetime(START, 60_000, () => 0).soft).toBeCloseTo(12_000)
    expect(callLifetime(START, 60_000, () => 1).soft).toBeCloseTo(18_000)
  })

  test('never waits before it refreshes: the soft window contains the hard one, and life contains both', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1_000, max: 1e9, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (life, random) => {
          const { soft, hard, length } = callLifetime(START, life, () => random)
          expect(hard).toBeLessThanOrEqual(soft)
          expect(soft).toBeLessThan(length)
        },
      ),
    )
  })
})

describe('remaining', () => {
  test.each([
    {
      why: 'the wall clock is set back by an hour',
      move: (clock: ReturnType<typeof createFakeClock>) => clock.setWall(clock.wall() - 3_600_000),
      left: 60_000,
    },
    {
      why: 'the wall clock is set forward by an hour',
      move: (clock: ReturnType<typeof createFakeClock>) => clock.setWall(clock.wall() + 3_600_000),
      left: 60_000 - 3_600_000,
    },
    {
      why: 'the machine sleeps for half a minute',
      move: (clock: ReturnType<typeof createFakeClock>) => clock.suspend(30_000),
      left: 30_000,
    },
  ])('takes the shorter of the two clocks when $why', ({ move, left }) => {
    const clock = createFakeClock()
    const lifetime = callLifetime({ wall: clock.wall(), monotonic: clock.monotonic() }, 60_000, noSpread)
    move(clock)
    expect(remaining(lifetime, clock)).toBe(left)
  })
})

test('a base token is looked for again in its last tenth and waited for only at its end', () => {
  const lifetime = baseLifetime({ wall: 1_000, monotonic: 5_000 }, 601_000, 3_600_000)
  expect(lifetime).toEqual({
    wallEnd: 601_000,
    monotonicEnd: 605_000,
    length: 3_600_000,
    soft: 360_000,
    hard: 0,
  })
})
