import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ENDPOINTS } from '../../src/server/endpoints.js'
import { createRateLimiter, RATE_LIMITS, type RateLimit } from '../../src/server/rate-limits.js'
import { type Reply, startTestServer, type TestServer } from '../support/running-server.js'

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

describe('a server that counts as AuthSec does', () => {
  test.each([
    { method: 'POST', path: '/authsec/uflow/auth/admin/login', limit: 5 },
    { method: 'GET', path: '/authsec/uflow/auth/admin/challenge', limit: 5 },
    { method: 'POST', path: '/oauth/token', limit: 30 },
    { method: 'POST', path: '/oauth/register', limit: 10 },
    { method: 'POST', path: '/oauth/introspect', limit: 60 },
  ])('lets $limit requests a minute through to $method $path', async ({ method, path, limit }) => {
    const server = await startTestServer({ rateLimits: 'authsec' })
    const statuses: number[] = []
    for (let request = 0; request <= limit; request += 1)
      statuses.push((await server.call(method, path)).status)
    expect(statuses.indexOf(429)).toBe(limit)
    server.now += 60_000
    expect((await server.call(method, path)).status).not.toBe(429)
    await server.close()
  })

  test('counts a login and its challenge together, and nothing that AuthSec does not count', async () => {
    const server = await startTestServer({ rateLimits: 'authsec' })
    for (let request = 0; request < 5; request += 1) await server.call('GET', '/uflow/auth/admin/challenge')
    expect((await server.call('POST', '/uflow/auth/admin/login')).status).toBe(429)
    for (let request = 0; request < 100; request += 1) {
      const path = `/uflow/sdk/delegation-token?client_id=${server.clientId}`
      expect((await server.call('GET', path)).status).toBe(200)
    }
    await server.close()
  })
})

describe('a request too many', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startTestServer({ rateLimits: 'shared' })
  })
  afterAll(() => server.close())

  async function exhaust(limit: RateLimit, method: string, path: string): Promise<Reply> {
    const allowance = RATE_LIMITS.shared[limit] as number
    for (let request = 0; request < allowance; request += 1) {
      expect((await server.call(method, path)).status).not.toBe(429)
    }
    return server.call(method, path)
  }

  const message = expect.stringMatching(/^too many requests: try again in \d+ s$/)
  test.each<{ limit: RateLimit; method: string; path: string; json: unknown }>([
    {
      limit: 'register',
      method: 'POST',
      path: '/oauth/register',
      json: { error: 'rate_limited', error_description: message, request_id: expect.any(String) },
    },
    {
      limit: 'login',
      method: 'POST',
      path: '/authsec/uflow/auth/admin/login',
      json: { error: message },
    },
    {
      limit: 'ask',
      method: 'POST',
      path: '/authsec/uflow/auth/device/code',
      json: { error: 'rate_limited', error_description: message },
    },
    {
      limit: 'verify',
      method: 'POST',
      path: '/v1/jwt/validate',
      json: { error: { code: 'TOO_MANY_REQUESTS', message } },
    },
  ])('is 429 in the form of $path, and says when to come back', async ({ limit, method, path, json }) => {
    const reply = await exhaust(limit, method, path)
    expect(reply).toMatchObject({ status: 429, json })
    expect(Number(reply.headers['retry-after'])).toBeGreaterThanOrEqual(1)
  })

  test('is a page for a person', async () => {
    const reply = await exhaust('activate', 'GET', '/activate')
    expect(reply).toMatchObject({ status: 429, text: expect.stringMatching(/^<!doctype html>/i) })
    expect(reply.headers['retry-after']).toBe('1')
  })

  test('at the gate stays what it is, and leaves no record of its own', async () => {
    // Of so many refusals of one second that the others have had, the log only tells the number.
    const own = await startTestServer({ rateLimits: 'shared' })
    const headers = { origin: 'https://evil.example' }
    const count = async () => {
      const found = await own.call('GET', '/audit/events?filter=reason=foreign_origin&limit=1000', {
        admin: true,
      })
      return found.json.events.length
    }
    for (let request = 0; request < 100; request += 1) {
      expect((await own.call('POST', '/oauth/token', { headers })).status).toBe(403)
    }
    expect(await count()).toBe((RATE_LIMITS.shared.foreign as number) + 1)
    await own.close()
  })
})

test('every kind that is counted has an endpoint, and a number for a team', () => {
  const used = new Set(ENDPOINTS.map(({ limit }) => limit))
  const numbers = Object.keys(RATE_LIMITS.shared)
  expect(numbers.filter((kind) => !used.has(kind as RateLimit)).sort()).toEqual(['foreign', 'session'])
  expect([...used].filter((kind) => kind !== undefined && !numbers.includes(kind))).toEqual([])
})
