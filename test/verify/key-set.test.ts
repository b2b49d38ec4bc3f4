import { describe, expect, test } from 'vitest'
import type { VerifyEvent } from '../../src/verify/events.js'
import { parseKeySet } from '../../src/verify/jwk.js'
import { createRemoteKeySet, createStaticKeySet, type KeySet } from '../../src/verify/key-set.js'
import { settle } from '../support/fake-clock.js'
import { answer, noConnection, stubServer } from '../support/stub-server.js'
import { BASE_KEY, CALL_KEY, createKey, ISSUED_AT } from '../support/token-issuer.js'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const KNOWN = { id: 'call-key', algorithm: 'ES256' } as const
const ROTATED = { id: 'next-key', algorithm: 'ES256' } as const
const nextKey = createKey('ES256', { kid: 'next-key' }).jwk

const keys = (...list: object[]) => ({ keys: list })
const cached = (maxAge: number) =>
  answer(200, keys(CALL_KEY.jwk), { 'cache-control': `public, max-age=${maxAge}` })
const down = noConnection()

/** A key set over a server that answers so, one after the other, and a clock that is moved by hand. */
function openKeys(...answers: (object | Error)[]) {
  let now = ISSUED_AT
  let silent = false
  let requests = 0
  const events: VerifyEvent[] = []
  const server = stubServer({ 'GET /oauth/jwks': answers })
  const set = createRemoteKeySet({
    url: new URL('http://127.0.0.1:7468/oauth/jwks'),
    fetch: (url, init) => {
      requests++
      return silent ? new Promise(() => {}) : server.fetch(url, init)
    },
    staleGraceMs: 60 * MINUTE,
    clock: () => now,
    onEvent: (event) => events.push(event),
  })
  return {
    set,
    events,
    requests: () => requests,
    pass: (ms: number) => {
      now += ms
    },
    /** From now on requests arrive and are never answered. */
    fallSilent: () => {
      silent = true
    },
  }
}

async function repeat(times: number, action: (round: number) => Promise<void>): Promise<void> {
  for (let round = 0; round < times; round++) await action(round)
}

describe('keys at a URL', () => {
  test('are fetched once for a crowd', async () => {
    const { set, requests, events } = openKeys(keys(CALL_KEY.jwk))
    const found = await Promise.all(Array.from({ length: 100 }, () => set.find(KNOWN)))
    expect(found.every((key) => key?.id === 'call-key')).toBe(true)
    expect(requests()).toBe(1)
    expect(events).toEqual([{ type: 'keys.loaded', url: 'http://127.0.0.1:7468/oauth/jwks', keys: 1 }])
  })

  test.each([
    { what: 'without Cache-Control', served: keys(CALL_KEY.jwk), freshMs: 10 * MINUTE },
    { what: 'with max-age=300', served: cached(300), freshMs: 5 * MINUTE },
    { what: 'with max-age=0', served: cached(0), freshMs: MINUTE },
    { what: 'with max-age=999999999', served: cached(999_999_999), freshMs: 60 * MINUTE },
  ])(
    'stay fresh for $freshMs ms $what, and are renewed in the background before that',
    async ({ served, freshMs }) => {
      const { set, requests, pass } = openKeys(served)
      await set.find(KNOWN)
      pass(freshMs * 0.8)
      await set.find(KNOWN)
      expect(requests()).toBe(1)
      pass(1)
      await set.find(KNOWN)
      await settle()
      expect(requests()).toBe(2)
      await set.find(KNOWN)
      expect(requests()).toBe(2)
    },
  )

  test('are fetched again before the next use when nobody asked while they were fresh', async () => {
    const { set, requests, pass } = openKeys(keys(CALL_KEY.jwk), keys(nextKey))
    await set.find(KNOWN)
    pass(10 * MINUTE + 1)
    await expect(set.find(KNOWN)).resolves.toBeUndefined()
    expect(requests()).toBe(2)
  })

  test('lose a key that was withdrawn at the next renewal', async () => {
    const { set, pass, events } = openKeys(keys(CALL_KEY.jwk, nextKey), keys(nextKey))
    await expect(set.find(KNOWN)).resolves.toBeDefined()
    pass(8 * MINUTE + 1)
    await expect(set.find(KNOWN)).resolves.toBeDefined()
    await settle()
    await expect(set.find(KNOWN)).resolves.toBeUndefined()
    expect(events.at(-1)).toEqual({
      type: 'keys.withdrawn',
      url: 'http://127.0.0.1:7468/oauth/jwks',
      ids: ['call-key'],
    })
  })

  test('are made ready once: a key that is still published remains the same object', async () => {
    const { set, pass } = openKeys(keys(CALL_KEY.jwk), keys(nextKey, CALL_KEY.jwk))
    const before = await set.find(KNOWN)
    pass(11 * MINUTE)
    expect(await set.find(KNOWN)).toBe(before)
  })

  test('are another key under an old id when anything of it has changed', async () => {
    const { set, pass } = openKeys(keys(CALL_KEY.jwk), keys({ ...nextKey, kid: 'call-key' }))
    const before = await set.find(KNOWN)
    pass(11 * MINUTE)
    const after = await set.find(KNOWN)
    expect(after).toMatchObject({ id: 'call-key' })
    expect(after).not.toBe(before)
  })

  test('are fetched again after the clock was set back', async () => {
    const { set, requests, pass } = openKeys(keys(CALL_KEY.jwk))
    await set.find(KNOWN)
    pass(-60 * MINUTE)
    await expect(set.find(KNOWN)).resolves.toBeDefined()
    expect(requests()).toBe(2)
  })
})

test('keys outlast an outage by the clock of then, and no longer than the grace, when it was set back', async () => {
  const { set, pass } = openKeys(keys(CALL_KEY.jwk), ...Array.from({ length: 20 }, () => down))
  await set.find(KNOWN)
  pass(-4 * SECOND)
  await expect(set.find(KNOWN)).resolves.toBeDefined()
  pass(59 * MINUTE)
  await expect(set.find(KNOWN)).resolves.toBeDefined()
  pass(2 * MINUTE)
  await expect(set.find(KNOWN)).rejects.toMatchObject({ code: 'network' })
})

describe('an unknown key id', () => {
  test('is looked for at once after a rotation', async () => {
    const { set, requests, pass } = openKeys(keys(CALL_KEY.jwk), keys(CALL_KEY.jwk, nextKey))
    await set.find(KNOWN)
    pass(10 * SECOND)
    await expect(set.find(ROTATED)).resolves.toMatchObject({ id: 'next-key' })
    expect(requests()).toBe(2)
  })

  test('costs at most one request in ten seconds, however many there are', async () => {
    const { set, requests, pass } = openKeys(keys(CALL_KEY.jwk))
    await set.find(KNOWN)
    await repeat(30, async (second) => {
      await Promise.all(
        Array.from({ length: 50 }, (_, index) => set.find({ ...KNOWN, id: `unknown-${second}-${index}` })),
      )
      pass(SECOND)
    })
    expect(requests()).toBe(3)
  })

  test('is not looked for again for 30 seconds', async () => {
    const { set, requests, pass } = openKeys(keys(CALL_KEY.jwk))
    await set.find(KNOWN)
    pass(10 * SECOND)
    await set.find(ROTATED)
    pass(29 * SECOND)
    await set.find(ROTATED)
    expect(requests()).toBe(2)
    pass(SECOND)
    await set.find(ROTATED)
    expect(requests()).toBe(3)
  })

  test('does not keep a known key from being found, not even with the wrong algorithm', async () => {
    const { set, pass } = openKeys(keys(CALL_KEY.jwk))
    await set.find(KNOWN)
    pass(10 * SECOND)
    await expect(set.find({ ...KNOWN, algorithm: 'RS256' })).resolves.toBeUndefined()
    await expect(set.find(KNOWN)).resolves.toBeDefined()
  })

  test('is forgotten beyond a hundred others', async () => {
    const { set, requests, pass } = openKeys(keys(CALL_KEY.jwk))
    await set.find(KNOWN)
    pass(10 * SECOND)
    const joined = Array.from({ length: 101 }, (_, index) => set.find({ ...KNOWN, id: `unknown-${index}` }))
    await Promise.all(joined)
    pass(10 * SECOND)
    await set.find({ ...KNOWN, id: 'unknown-1' })
    expect(requests()).toBe(2)
    await set.find({ ...KNOWN, id: 'unknown-0' })
    expect(requests()).toBe(3)
  })

  test('is joined to a request that is under way', async () => {
    const { set, requests } = openKeys(keys(CALL_KEY.jwk, nextKey))
    const [, rotated] = await Promise.all([set.find(KNOWN), set.find(ROTATED)])
    expect(rotated).toMatchObject({ id: 'next-key' })
    expect(requests()).toBe(1)
  })

  test('is a question that cannot be answered while the server is down', async () => {
    const { set, pass } = openKeys(keys(CALL_KEY.jwk), down)
    await set.find(KNOWN)
    pass(10 * SECOND)
    await expect(set.find(ROTATED)).rejects.toMatchObject({ code: 'network' })
    await expect(set.find(ROTATED)).rejects.toMatchObject({ code: 'network' })
    await expect(set.find(KNOWN)).resolves.toBeDefined()
  })
})

describe('an outage', () => {
  test('from the start costs at most five requests in ten seconds, and every caller hears of it', async () => {
    const { set, requests, pass } = openKeys(down)
    await repeat(100, async () => {
      const failures = await Promise.allSettled([set.find(KNOWN), set.find(ROTATED), set.load()])
      expect(failures.every(({ status }) => status === 'rejected')).toBe(true)
      pass(100)
    })
    expect(requests()).toBe(4)
  })

  test('is over as soon as the server answers after a rest of at most 30 seconds', async () => {
    const { set, pass } = openKeys(...Array.from({ length: 8 }, () => down), keys(CALL_KEY.jwk))
    await repeat(8, async () => {
      await expect(set.find(KNOWN)).rejects.toMatchObject({ code: 'network' })
      pass(30 * SECOND)
    })
    await expect(set.find(KNOWN)).resolves.toBeDefined()
  })

  test('is told of once a minute while it lasts', async () => {
    const { set, requests, pass, events } = openKeys(keys(CALL_KEY.jwk), down)
    await set.find(KNOWN)
    pass(10 * MINUTE + 1)
    // An hour with ten tokens a minute: the server is tried every 30 seconds.
    await repeat(600, async () => {
      await expect(set.find(KNOWN)).resolves.toBeDefined()
      await settle()
      pass(6 * SECOND)
    })
    expect(requests()).toBeGreaterThan(110)
    const alarms = events.filter(({ type }) => type === 'keys.unavailable')
    expect(alarms).toHaveLength(60)
    expect(alarms[0]).toMatchObject({ code: 'network', usableForMs: 60 * MINUTE - 1 })
    await expect(set.find(KNOWN)).rejects.toMatchObject({ code: 'network' })
  })

  test('leaves the known keys usable for an hour beyond their time, with an alarm', async () => {
    const { set, pass, events } = openKeys(keys(CALL_KEY.jwk), down)
    await set.find(KNOWN)
    pass(70 * MINUTE - SECOND)
    await expect(set.find(KNOWN)).resolves.toBeDefined()
    expect(events.at(-1)).toEqual({
      type: 'keys.unavailable',
      url: 'http://127.0.0.1:7468/oauth/jwks',
      code: 'network',
      usableForMs: SECOND,
    })
    pass(MINUTE)
    await expect(set.find(KNOWN)).rejects.toMatchObject({ code: 'network' })
    expect(events.at(-1)).toMatchObject({ usableForMs: 0 })
  })

  test('makes nobody wait once it is known', async () => {
    const { set, requests, pass, fallSilent } = openKeys(keys(CALL_KEY.jwk), down)
    await set.find(KNOWN)
    pass(11 * MINUTE)
    await set.find(KNOWN)
    pass(MINUTE)
    fallSilent()
    await expect(set.find(KNOWN)).resolves.toBeDefined()
    await settle()
    expect(requests()).toBe(3)
  })

  test.each([
    {
      what: 'an answer that is no key set',
      served: { kty: 'EC' },
      message: 'the answer of http://127.0.0.1:7468 is no key set',
    },
    {
      what: 'an error that comes with 200',
      served: { error: 'x' },
      message: 'http://127.0.0.1:7468 answered an error to /oauth/jwks: x',
    },
    {
      what: 'more than a hundred keys',
      served: keys(...Array.from({ length: 101 }, () => ({}))),
      message: 'http://127.0.0.1:7468 has 101 keys, more than 100',
    },
    {
      what: 'an error',
      served: answer(500, {}),
      message: 'http://127.0.0.1:7468 answered 500 to /oauth/jwks',
    },
  ])('is also $what, and does not cost the keys at hand', async ({ served, message }) => {
    const { set, pass } = openKeys(keys(CALL_KEY.jwk), served)
    await set.find(KNOWN)
    pass(11 * MINUTE)
    await expect(set.find(KNOWN)).resolves.toBeDefined()
    await expect(set.find(ROTATED)).rejects.toMatchObject({ code: 'server_error', message })
  })
})

describe('without waiting', () => {
  test('keys are found once they are loaded, and not before', async () => {
    const { set } = openKeys(keys(CALL_KEY.jwk))
    expect(() => set.findLoaded(KNOWN)).toThrow(
      expect.objectContaining({
        code: 'configuration',
        message: 'the keys of http://127.0.0.1:7468 are not loaded',
      }),
    )
    await set.load()
    expect(set.findLoaded(KNOWN)).toMatchObject({ id: 'call-key' })
    expect(set.findLoaded(ROTATED)).toBeUndefined()
  })

  test('keys beyond their time are used while new ones are fetched', async () => {
    const { set, pass } = openKeys(keys(CALL_KEY.jwk), keys(nextKey))
    await set.load()
    pass(11 * MINUTE)
    expect(set.findLoaded(KNOWN)).toBeDefined()
    await settle()
    expect(set.findLoaded(KNOWN)).toBeUndefined()
    expect(set.findLoaded(ROTATED)).toBeDefined()
  })

  test('an unknown key id is looked for in the background, once in ten seconds', async () => {
    const { set, requests, pass } = openKeys(keys(CALL_KEY.jwk), keys(CALL_KEY.jwk, nextKey))
    await set.load()
    expect(set.findLoaded(ROTATED)).toBeUndefined()
    expect(requests()).toBe(1)
    pass(10 * SECOND)
    expect(set.findLoaded(ROTATED)).toBeUndefined()
    await settle()
    expect(set.findLoaded(ROTATED)).toBeDefined()
    expect(requests()).toBe(2)
  })

  test('the failure is told when keys could not be loaded or are too old', async () => {
    const { set, pass } = openKeys(keys(CALL_KEY.jwk), down)
    await set.load()
    pass(69 * MINUTE)
    expect(set.findLoaded(KNOWN)).toBeDefined()
    await settle()
    expect(() => set.findLoaded(ROTATED)).toThrow(expect.objectContaining({ code: 'network' }))
    pass(2 * MINUTE)
    expect(() => set.findLoaded(KNOWN)).toThrow(expect.objectContaining({ code: 'network' }))
  })

  test('loading fresh keys again asks nobody', async () => {
    const { set, requests } = openKeys(keys(CALL_KEY.jwk))
    await set.load()
    await set.load()
    expect(requests()).toBe(1)
  })
})

describe('keys that are given', () => {
  const set: KeySet = createStaticKeySet(
    parseKeySet({ keys: [{ ...CALL_KEY.jwk }, { ...BASE_KEY.jwk }] }, 'jwks'),
  )

  test.each([
    { what: 'by its id', query: KNOWN, found: 'call-key' },
    { what: 'with another id', query: ROTATED, found: undefined },
    { what: 'with another algorithm', query: { ...KNOWN, algorithm: 'RS256' } as const, found: undefined },
    { what: 'without id, of two', query: { id: undefined, algorithm: 'RS256' } as const, found: undefined },
  ])('a key $what', async ({ query, found }) => {
    await set.load()
    expect(set.findLoaded(query)?.id).toBe(found)
    expect((await set.find(query))?.id).toBe(found)
  })
})
