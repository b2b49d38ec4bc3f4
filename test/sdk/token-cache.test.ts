import { describe, expect, test } from 'vitest'
import { createDelegationToken } from '../../src/sdk/delegation-token.js'
import type { Grant } from '../../src/sdk/grant.js'
import { callLifetime } from '../../src/sdk/lifetime.js'
import { type StoredToken, TokenCache } from '../../src/sdk/token-cache.js'
import { createFakeClock, type FakeClock } from '../support/fake-clock.js'

function storedToken(clock: FakeClock, lifeMs = 60_000): StoredToken {
  const askedAt = { wall: clock.wall(), monotonic: clock.monotonic() }
  const grant: Grant = {
    jwt: 'secret',
    jti: 'call-1',
    audience: [],
    permissions: [],
    auditId: undefined,
    userId: 'user-alice',
    expiresAt: askedAt.wall + lifeMs,
    lifetime: callLifetime(askedAt, lifeMs, () => 0.5),
  }
  const token = createDelegationToken(grant, true)
  return { grant, token, answer: Promise.resolve(token), isAging: false, refreshAfter: 0 }
}

describe('TokenCache', () => {
  test('drops the least recently used for the one that is too many', () => {
    const clock = createFakeClock()
    const cache = new TokenCache(clock, 3)
    for (const key of ['a', 'b', 'c']) cache.keep(key, storedToken(clock))
    cache.find('a')
    cache.peek('b')
    cache.keep('d', storedToken(clock))
    expect(['a', 'b', 'c', 'd'].filter((key) => cache.peek(key) !== undefined)).toEqual(['a', 'c', 'd'])
    expect(cache).toMatchObject({ size: 3, evictions: 1 })
  })

  test('makes no room for the successor of a token, which counts as used', () => {
    const clock = createFakeClock()
    const cache = new TokenCache(clock, 2)
    const group = { prefix: 'u1|', most: 2 }
    for (const key of ['u1|a', 'u1|b', 'u1|a']) cache.keep(key, storedToken(clock), group)
    expect(cache).toMatchObject({ size: 2, evictions: 0 })
    cache.keep('c', storedToken(clock))
    expect(['u1|a', 'u1|b', 'c'].filter((key) => cache.peek(key) !== undefined)).toEqual(['u1|a', 'c'])
  })

  test('drops what has expired before it drops what is good', async () => {
    const clock = createFakeClock()
    const cache = new TokenCache(clock, 2)
    cache.keep('good', storedToken(clock, 50_000))
    cache.keep('short', storedToken(clock, 10_000))
    await clock.advance(20_000)
    cache.keep('new', storedToken(clock))
    expect(cache.peek('good')).toBeDefined()
    expect(cache).toMatchObject({ size: 2, evictions: 0 })
  })

  test('holds 1,000 of 1,001', () => {
    const clock = createFakeClock()
    const cache = new TokenCache(clock, 1_000)
    const kept = storedToken(clock)
    for (let index = 0; index <= 1_000; index++) cache.keep(String(index), kept)
    expect(cache.size).toBe(1_000)
    expect(cache.peek('0')).toBeUndefined()
  })

  test('forgets what has expired within a minute, without keeping a process alive for it', async () => {
    const clock = createFakeClock()
    const cache = new TokenCache(clock, 10)
    cache.keep('a', storedToken(clock, 30_000))
    expect(clock.keptAliveBy).toBe(0)
    await clock.advance(60_000)
    expect(cache.size).toBe(0)
  })

  test('goes on sweeping as long as there is something to sweep', async () => {
    const clock = createFakeClock()
    const cache = new TokenCache(clock, 10)
    cache.keep('a', storedToken(clock, 90_000))
    await clock.advance(60_000)
    expect(cache.size).toBe(1)
    await clock.advance(60_000)
    expect(cache.size).toBe(0)
  })
})
