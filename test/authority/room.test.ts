import { describe, expect, test } from 'vitest'
import { createRoom, type DiskSpace } from '../../src/authority/room.js'
import { attempt } from '../support/authority-bench.js'

const MIBI = 2 ** 20
const GIBI = 2 ** 30

async function look(space: DiskSpace) {
  const room = createRoom({ readSpace: async () => space, onShortage: () => {}, clock: () => 0 })
  await room.upkeep()
  return [room.isScarce(), attempt(() => room.assertEnough())]
}

describe('the room on a disk', () => {
  test.each<{ what: string; free: number; total: number; is: [scarce: boolean, exhausted: boolean] }>([
    { what: 'at 15 %', free: 15, total: 100, is: [false, false] },
    { what: 'below 15 %', free: 14.9, total: 100, is: [true, false] },
    { what: 'at 5 %', free: 5, total: 100, is: [true, false] },
    { what: 'below 5 %', free: 4.9, total: 100, is: [true, true] },
    { what: 'with 1 GiB left of much', free: GIBI, total: 1000 * GIBI, is: [false, false] },
    { what: 'with less than 1 GiB left of much', free: GIBI - 1, total: 1000 * GIBI, is: [true, false] },
    { what: 'with 256 MiB left of much', free: 256 * MIBI, total: 1000 * GIBI, is: [true, false] },
    {
      what: 'with less than 256 MiB left of much',
      free: 256 * MIBI - 1,
      total: 1000 * GIBI,
      is: [true, true],
    },
    { what: 'that says nothing of itself', free: 0, total: 0, is: [false, false] },
  ])('$what is judged by what is less', async ({ free, total, is }) => {
    const [isScarce, isExhausted] = is
    const outcome = isExhausted ? expect.stringContaining('no token is issued') : 'well'
    expect(await look({ free, total })).toEqual([isScarce, outcome])
  })

  test('is enough where nobody has looked, nor can', async () => {
    const onShortage = () => expect.unreachable()
    const none = createRoom({ readSpace: undefined, onShortage, clock: () => 0 })
    expect(await none.upkeep()).toBe(undefined)
    const readSpace = () => Promise.reject(new Error('no such system call'))
    const unknown = createRoom({ readSpace, onShortage, clock: () => 7 })
    expect(await unknown.upkeep()).toBe(1_007)
    for (const room of [none, unknown]) {
      room.assertEnough()
      expect(room.isScarce()).toBe(false)
    }
  })

  test('is told of once when it becomes less, and again after there was clearly more', async () => {
    const told: string[] = []
    let free = 100
    const room = createRoom({
      readSpace: async () => ({ free, total: 100 }),
      onShortage: ({ message }) => told.push(message),
      clock: () => 0,
    })
    for (free of [100, 14, 16, 14, 13, 4, 5.1, 4, 3, 10, 4, 16, 14, 50, 2]) await room.upkeep()
    const [little, none] = ['refusals are counted and not recorded one by one', 'no token is issued']
    expect(told.map((message) => message.split(': ')[1])).toEqual([little, none, none, none])
    expect(told[1]).toBe('less than 5 % of the disk that holds the state is free: no token is issued')
  })
})
