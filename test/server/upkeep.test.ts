import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { AuthsecError } from '../../src/core/errors.js'
import { startServer } from '../../src/server/index.js'
import { startUpkeep } from '../../src/server/upkeep.js'
import { createStoreFailure } from '../../src/store/unavailable.js'
import { startTestServer } from '../support/running-server.js'

const START = 1_000_000

beforeEach(() => {
  vi.useFakeTimers({ now: START, toFake: ['setTimeout', 'clearTimeout', 'Date'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** Starts an upkeep that does what the test says, and notes when. */
function start(upkeep: () => Promise<number | undefined>) {
  const times: number[] = []
  const surprises: unknown[] = []
  const { stop } = startUpkeep({
    upkeep() {
      times.push(Date.now() - START)
      return upkeep()
    },
    clock: Date.now,
    onSurprise: (error) => surprises.push(error),
  })
  return { times, surprises, stop }
}

describe('the upkeep of keys', () => {
  test('comes at once, and again when something is due', async () => {
    const { times, stop } = start(async () => Date.now() + 3_000)
    await vi.advanceTimersByTimeAsync(7_000)
    expect(times).toEqual([0, 3_000, 6_000])
    await stop()
  })

  test('looks again after a while although nothing is due: clocks are set, and people change keys', async () => {
    const { times, stop } = start(async () => undefined)
    await vi.advanceTimersByTimeAsync(20_000)
    expect(times).toEqual([0, 10_000, 20_000])
    await stop()
  })

  test('does not turn in circles where what is due cannot be done', async () => {
    const { times, stop } = start(async () => START - 1)
    await vi.advanceTimersByTimeAsync(300)
    expect(times).toEqual([0, 100, 200, 300])
    await stop()
  })

  test.each([
    { what: 'a fault', error: new Error('no disk'), told: 1 },
    {
      what: 'a disk that fails',
      error: createStoreFailure('no', { cause: new Error('ENOSPC') }),
      told: 1,
    },
    {
      what: 'somebody else who does not answer',
      error: new AuthsecError('temporarily_unavailable', 'no', { cause: new Error('ECONNREFUSED') }),
      told: 0,
    },
    {
      what: 'another server that was faster',
      error: new AuthsecError('temporarily_unavailable', 'another server is changing the keys'),
      told: 0,
    },
  ])('goes on after $what, told $told times', async ({ error, told }) => {
    const { times, surprises, stop } = start(() => Promise.reject(error))
    await vi.advanceTimersByTimeAsync(0)
    expect(surprises).toHaveLength(told)
    await vi.advanceTimersByTimeAsync(10_000)
    expect(times).toEqual([0, 10_000])
    await stop()
  })

  test('is over when it is stopped, after what is under way', async () => {
    let finish: (due: undefined) => void = () => {}
    const { times, stop } = start(() => new Promise((resolve) => (finish = resolve)))
    let isStopped = false
    const stopping = stop().then(() => (isStopped = true))
    await vi.advanceTimersByTimeAsync(0)
    expect(isStopped).toBe(false)
    finish(undefined)
    await stopping
    await vi.advanceTimersByTimeAsync(60_000)
    expect(times).toEqual([0])
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('a running server', () => {
  beforeEach(() => vi.useRealTimers())

  const TIMINGS = { publishSeconds: 1, rotateSeconds: 1, maxCallTtl: 1, skewSeconds: 0 }

  test('rotates by itself, and lets go of what nothing alive was signed with', async () => {
    const server = await startTestServer({ clock: Date.now, keyTimings: TIMINGS })
    const kids = async () =>
      (await server.call('GET', '/oauth/jwks')).json.keys.map(({ kid }: { kid: string }) => kid)
    const first = await kids()
    const within = { timeout: 60_000, interval: 50 }
    await vi.waitFor(async () => expect((await kids())[0]).not.toBe(first[0]), within)
    await vi.waitFor(async () => expect(await kids()).not.toContain(first[0]), within)
    await server.close()
  })

  test('says how long its key set may be kept, and how long its tokens live at most', async () => {
    const server = await startTestServer({ keyTimings: { publishSeconds: 30, maxCallTtl: 20 } })
    const jwks = await server.call('GET', '/oauth/jwks')
    expect(jwks.headers['cache-control']).toBe('public, max-age=15')
    const metadata = await server.call('GET', '/.well-known/oauth-authorization-server')
    expect(metadata.json.authsec_call_tokens.max_ttl_seconds).toBe(20)
    expect((await server.exchange()).json.expires_in).toBe(20)
    expect(await server.exchange({ ttl_seconds: '21' })).toMatchObject({
      status: 400,
      json: { error: 'invalid_request', error_description: expect.stringContaining('between 1 and 20') },
    })
    await server.close()
  })

  test.each([
    {
      keyTimings: { rotateSeconds: 659 },
      says: 'keys cannot be replaced every 659 seconds',
      fix: 'take at least 11m (--rotate-every)',
    },
    {
      keyTimings: { publishSeconds: 31 * 86_400 },
      says: 'keys cannot be replaced every 2592000 seconds',
      fix: 'A key is published for 31d before it signs (--publish-ahead)',
    },
    {
      keyTimings: { publishSeconds: 1, rotateSeconds: 359 },
      says: 'keys cannot be replaced every 359 seconds',
      fix: 'what it signs lives for 6m (--max-call-ttl, --clock-skew)',
    },
    { keyTimings: { maxCallTtl: 301 }, says: 'call tokens cannot live 301 seconds', fix: '--max-call-ttl' },
    { keyTimings: { maxCallTtl: 0 }, says: 'call tokens cannot live 0 seconds', fix: '--max-call-ttl' },
    { keyTimings: { skewSeconds: -1 }, says: 'skewSeconds "-1" is not a whole number of seconds' },
    { keyTimings: { rotateSeconds: 1.5 }, says: 'rotateSeconds "1.5" is not a whole number of seconds' },
    { keyTimings: { rotateSeconds: Number.NaN }, says: 'is not a whole number of seconds' },
  ])('is refused before it starts with $keyTimings', async ({ keyTimings, says, fix = '' }) => {
    const error = await startServer({ state: ':memory:', port: 0, keyTimings }).catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'configuration', message: expect.stringContaining(says) })
    expect(error.hint ?? '').toContain(fix)
  })
})
