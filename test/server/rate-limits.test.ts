import { describe, expect, test } from 'vitest'
import { createRateLimiter, RATE_LIMITS } from '../../src/server/rate-limits.js'

function createLimiter(limits: Parameters<typeof createRateLimiter>[0]) {
  const time = { now: 1_000_000 }
  return { time, ...createRateLimiter(limits, () => time.now) }
}

describe('a rate limit', () => {
  test('lets an allowance through, then tells how long to wait, the first time with a record', () => {
    const { count } = createLimiter({ login: 3 })
    for (let request = 0; request < 3; request += 1) expect(count('login', '192.0.2.1')).toBeUndefined()
    expect(count('login', '192.0.2.1')).toEqual({ retryAfterMs: 20_000, isFirst: true })
    expect(count('login', '192.0.2.1')).toEqual({ retryAfterMs: 20_000, isFirst: false })
  })

  test('fills up again steadily, and never beyond the allowance', () => {
    const { count, time } = createLimiter({ login: 3 })
    for (let request = 0; request < 4; request += 1) count('login', '192.0.2.1')
    time.now += 19_999
    expect(count('login', '192.0.2.1')).toEqual({ retryAfterMs: 1_000, isFirst: false })
    time.now += 1
    expect(count('login', '192.0.2.1')).toBeUndefined()
    expect(count('login', '192.0.2.1')).toMatchObject({ isFirst: true })
    time.now += 86_400_000
    const answers = Array.from({ length: 4 }, () => count('login', '192.0.2.1'))
    expect(answers.filter((excess) => excess === undefined)).toHaveLength(3)
  })

  test('of one kind or address is not that of another', () => {
    const { count } = createLimiter({ login: 1, token: 1 })
    expect(count('login', '192.0.2.1')).toBeUndefined()
    expect(count('token', '192.0.2.1')).toBeUndefined()
    expect(count('login', '192.0.2.2')).toBeUndefined()
    expect(count('login', '192.0.2.1')).toBeDefined()
  })

  test.each([
    ['2001:db8:1:2::1', '2001:db8:1:2:ffff:ffff:ffff:ffff'],
    ['2001:db8::1', '2001:db8:0:0:5::'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
  ])('counts %s and %s as one', (one, other) => {
    const { count } = createLimiter({ login: 1 })
    expect(count('login', one)).toBeUndefined()
    expect(count('login', other)).toBeDefined()
  })

  test.each([
    ['2001:db8:1:2::1', '2001:db8:1:3::1'],
    ['::1', '1::1'],
    ['192.0.2.1', '192.0.2.2'],
  ])('tells %s and %s apart', (one, other) => {
    const { count } = createLimiter({ login: 1 })
    expect(count('login', one)).toBeUndefined()
    expect(count('login', other)).toBeUndefined()
  })

  test('does not grow with the addresses of a flood', () => {
    const { count } = createLimiter({ login: 1 })
    count('login', '192.0.2.1')
    for (let address = 0; address < 10_000; address += 1) {
      count('login', `10.${address >> 16}.${(address >> 8) & 255}.${address & 255}`)
    }
    expect(count('login', '192.0.2.1')).toBeUndefined()
  })

  test('takes nothing when the clock steps back', () => {
    const { count, time } = createLimiter({ login: 2 })
    count('login', '192.0.2.1')
    time.now -= 3_600_000
    expect(count('login', '192.0.2.1')).toBeUndefined()
    expect(count('login', '192.0.2.1')).toBeDefined()
  })

  test('is off where it has no number', () => {
    const { count } = createLimiter(RATE_LIMITS.off)
    for (let request = 0; request < 1_000; request += 1) expect(count('login', '192.0.2.1')).toBeUndefined()
  })
})
