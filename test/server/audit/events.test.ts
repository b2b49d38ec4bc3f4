import { getEventListeners } from 'node:events'
import { createAdaptorServer } from '@hono/node-server'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openAuthority } from '../../../src/authority/authority.js'
import { createKek } from '../../../src/authority/kek.js'
import { DEV_SEED } from '../../../src/authority/seed.js'
import { applySeed } from '../../../src/authority/seed-planting.js'
import { type App, createApp } from '../../../src/server/app.js'
import { createRateLimiter } from '../../../src/server/rate-limits.js'
import { openStore } from '../../../src/store/open.js'
import { START, startTestServer, type TestServer } from '../../support/running-server.js'

interface Entry {
  seq: number
  event: { type: string; outcome: string; occurred_at: string }
}

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
  await server.exchange()
  await server.exchange({ scope: 'billing:refund' })
})
afterAll(() => server.close())

const read = (query = '') => server.call('GET', `/audit/events${query}`, { admin: true })
const search = async (query = ''): Promise<{ events: Entry[]; next: number; id?: string }> =>
  (await read(query)).json
const types = ({ events }: { events: Entry[] }) => events.map(({ event }) => event.type)

describe('a search of the audit log', () => {
  test('tells everything from the beginning, numbered without a gap', async () => {
    const { events, next } = await search('?limit=1000')
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index))
    expect(next).toBe(events.length - 1)
    expect(types({ events }).slice(0, 8)).toEqual([
      'server.started',
      ...['resource.created', 'resource.created', 'resource.created', 'client.registered', 'policy.created'],
      'delegation.granted',
      'session.started',
    ])
  })

  test('pages through everything once, in whatever steps', async () => {
    const all = (await search('?limit=1000')).events.map(({ seq }) => seq)
    for (const limit of [1, 2, 3, all.length]) {
      const seen: number[] = []
      let after = -1
      for (let page = 0; page <= all.length; page++) {
        const { events, next } = await search(`?after=${after}&limit=${limit}`)
        if (events.length === 0) break
        expect(events.length).toBeLessThanOrEqual(limit)
        seen.push(...events.map(({ seq }) => seq))
        after = next
      }
      expect(seen).toEqual(all)
    }
  })

  test('tells where it ended although nothing fits, so that nobody searches it again', async () => {
    const { next: head } = await search('?limit=1000')
    expect(await search('?filter=type=policy.deleted&limit=1')).toEqual({ events: [], next: head })
    expect(await search(`?after=${head + 100}`)).toEqual({ events: [], next: head + 100 })
  })

  test('with last tells the newest that fit, oldest first', async () => {
    const all = await search('?filter=type=token.exchanged&limit=1000')
    expect((await search('?filter=type=token.exchanged&last=1')).events).toEqual(all.events.slice(-1))
    expect((await search('?last=1000&limit=1')).events.length).toBeGreaterThan(all.events.length)
    const { events, next, id } = await search('?last=0')
    expect(events).toEqual([])
    expect((await search(`?after=${next - 1}&limit=1`)).events).toMatchObject([{ seq: next, event: { id } }])
  })

  test('joins filters with and, and knows groups of types', async () => {
    expect(types(await search('?filter=type~token.*&filter=outcome=deny'))).toEqual(['token.exchanged'])
    expect(new Set(types(await search('?filter=type~delegation.*')))).toEqual(
      new Set(['delegation.granted', 'delegation.pulled']),
    )
    expect((await search(`?filter=client=${server.clientId}&filter=subject=nobody`)).events).toEqual([])
    expect((await search(`?filter=type~*&filter=reason=invalid_scope`)).events).toHaveLength(1)
  })

  test('says from where events came where that is asked for', async () => {
    const read = async (query: string) =>
      (await server.call('GET', `/audit/events?last=1${query}`, { admin: true })).json.events[0]
    await server.exchange()
    expect(Object.keys(await read(''))).toEqual(['seq', 'event'])
    expect((await read('&personal=true')).personal).toEqual({ ip: '127.0.0.1' })
    const wrong = await server.call('GET', '/audit/events?personal=yes', { admin: true })
    expect([wrong.status, wrong.json.error]).toEqual([400, 'personal "yes" is not true or false'])
  })

  test('reads times as an instant, epoch seconds or an age, from inclusive until exclusive', async () => {
    const at = new Date(START).toISOString()
    const count = async (query: string) => (await search(`?limit=1000&${query}`)).events.length
    const total = await count('')
    expect(await count(`since=${at}`)).toBe(total)
    expect(await count(`until=${at}`)).toBe(0)
    expect(await count(`since=${new Date(START + 1).toISOString()}`)).toBe(0)
    expect(await count(`since=${Math.floor(START / 1000)}`)).toBe(total)
    expect(await count('since=1m')).toBe(total)
    expect(await count('until=1m')).toBe(0)
  })

  test.each([
    { query: 'filter=token', error: '"token" is not a filter' },
    { query: 'filter=', error: '"" is not a filter' },
    { query: 'filter=record=x', error: '"record=x" is not a filter' },
    { query: 'filter=constructor=x', error: '"constructor=x" is not a filter' },
    { query: 'filter=type=', error: '"type=" is not a filter' },
    { query: 'filter=type=token.minted', error: '"token.minted" is not an event type' },
    { query: 'filter=type=%25*', error: '"%*" is not an event type' },
    { query: 'filter=outcome=maybe', error: '"maybe" is not an outcome' },
    { query: `${'filter=outcome=deny&'.repeat(21)}`, error: 'more than 20 conditions' },
    { query: 'limit=0', error: 'limit "0" is not a whole number between 1 and 1000' },
    { query: 'limit=1001', error: 'limit "1001" is not a whole number between 1 and 1000' },
    { query: 'last=-1', error: 'last "-1" is not a whole number between 0 and 1000' },
    { query: 'after=-2', error: /^after "-2" is not a whole number/ },
    { query: 'after=1.5', error: /^after "1.5" is not a whole number/ },
    { query: 'wait=26', error: 'wait "26" is not a whole number between 0 and 25' },
    { query: 'since=yesterday', error: '"yesterday" is not a time' },
    { query: 'until=2026-02-30T00:00:00Z', error: '"2026-02-30T00:00:00Z" is not a time' },
    { query: 'type=token.issued', error: '"type" is no parameter of this query' },
    { query: 'since=%00', error: 'since holds a character that is not text' },
  ])('refuses $query by name', async ({ query, error }) => {
    const reply = await read(`?${query}`)
    expect(reply).toMatchObject({
      status: 400,
      json: { error: error instanceof RegExp ? expect.stringMatching(error) : error },
    })
  })
})

describe('waiting for an event', () => {
  const head = async () => (await search('?limit=1000')).next

  test('ends as soon as there is one', async () => {
    const after = await head()
    const waiting = search(`?after=${after}&wait=25`)
    const started = performance.now()
    await server.pull()
    expect(types(await waiting)).toEqual(['delegation.pulled'])
    expect(performance.now() - started).toBeLessThan(15_000)
  })

  test('goes on while only others happen, and misses nothing between two calls', async () => {
    const after = await head()
    const waiting = search(`?after=${after}&wait=25&filter=outcome=deny`)
    await server.pull()
    await server.exchange({ scope: 'billing:refund' })
    const { events, next } = await waiting
    expect(events.map(({ event }) => event.outcome)).toEqual(['deny'])
    expect(await search(`?after=${after}`)).toMatchObject({ next })
  })

  test('ends empty when the time is over, and at once without any', async () => {
    const after = await head()
    const started = performance.now()
    expect(await search(`?after=${after}&wait=0`)).toEqual({ events: [], next: after })
    expect(await search(`?after=${after}&wait=1`)).toEqual({ events: [], next: after })
    expect(performance.now() - started).toBeGreaterThan(950)
  })

  test('wakes everybody who waits, with the same event', async () => {
    const after = await head()
    const warnings: Error[] = []
    const note = (warning: Error) => warnings.push(warning)
    process.on('warning', note)
    const waiting = Array.from({ length: 50 }, () => search(`?after=${after}&wait=25`))
    await server.call('GET', '/oauth/jwks')
    await server.pull()
    const found = await Promise.all(waiting)
    expect(new Set(found.map(({ events }) => JSON.stringify(events[0]))).size).toBe(1)
    process.off('warning', note)
    expect(warnings).toEqual([])
  })
})

describe('a reader who hangs up', () => {
  test('leaves nothing behind', async () => {
    const store = await openStore(':memory:')
    const issuer = 'http://127.0.0.1:1'
    const authority = await openAuthority({ store, kek: createKek(), issuer, clock: Date.now })
    const { admin } = await applySeed(
      { store, audit: authority.audit },
      DEV_SEED,
      authority.identity.tenantId,
      Date.now(),
    )
    const headers = { authorization: `Bearer ${await authority.sessions.start(admin)}` }
    const stopping = new AbortController()
    const app = createApp({
      authority,
      mode: 'dev',
      gate: { hosts: [], ownOrigins: [], origins: [] },
      limiter: createRateLimiter({}, Date.now),
      proxies: [],
      serverUrl: issuer,
      stopping: stopping.signal,
      onSurprise: () => {},
    })
    const ended: Promise<Response>[] = []
    const recorded: App = (request) => {
      const answer = app(request)
      ended.push(answer)
      return answer
    }
    const socket = createAdaptorServer({ fetch: (request) => recorded(request) })
    await new Promise<void>((resolve) => {
      socket.listen(0, '127.0.0.1', resolve)
    })
    const { port } = socket.address() as { port: number }

    const leaving = new AbortController()
    const url = `http://127.0.0.1:${port}/audit/events?after=1000&wait=25`
    const readers = Array.from({ length: 10 }, () => fetch(url, { headers, signal: leaving.signal }))
    await expect.poll(() => getEventListeners(stopping.signal, 'abort').length).toBe(10)
    const left = performance.now()
    leaving.abort()
    await Promise.allSettled(readers)
    await Promise.all(ended)
    expect(performance.now() - left).toBeLessThan(15_000)
    expect(getEventListeners(stopping.signal, 'abort')).toEqual([])
    await new Promise((resolve) => {
      socket.close(resolve)
    })
    await store.close()
  })
})
