import { connect } from 'node:net'
import { join } from 'node:path'
import Database from 'libsql'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { makeDirectory } from '../../support/run-cli.js'
import { BILLING, startTestServer, type TestServer } from '../../support/running-server.js'

interface Frame {
  event: string
  id?: string
  // biome-ignore lint/suspicious/noExplicitAny: whatever the server says; the tests look closer.
  data: any
}

interface Listener {
  frames: Frame[]
  /** Waits for so many events beyond what has come. */
  until(isEnough: (frames: readonly Frame[]) => boolean): Promise<readonly Frame[]>
  leave(): void
}

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.close())

const listeners: Listener[] = []
afterEach(() => {
  for (const listener of listeners.splice(0)) listener.leave()
})

async function listen(query = '', headers: Record<string, string> = {}): Promise<Listener> {
  const leaving = new AbortController()
  const response = await fetch(`${server.url}/audit/events/stream${query}`, {
    headers: { authorization: `Bearer ${server.adminToken}`, ...headers },
    signal: leaving.signal,
  })
  expect(response.headers.get('content-type')).toBe('text/event-stream')
  const frames: Frame[] = []
  let wake = () => {}
  const done = (async () => {
    const decoder = new TextDecoder()
    let text = ''
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk, { stream: true })
      const parts = text.split('\n\n')
      text = parts.pop() ?? ''
      frames.push(...parts.map(readFrame))
      wake()
    }
  })()
  done.catch(() => {})
  const listener: Listener = {
    frames,
    async until(isEnough) {
      while (!isEnough(frames)) await new Promise<void>((resolve) => (wake = resolve))
      return frames
    },
    leave: () => leaving.abort(),
  }
  listeners.push(listener)
  await listener.until((all) => all.some(({ event }) => event === 'heartbeat'))
  return listener
}

function readFrame(text: string): Frame {
  const fields = Object.fromEntries(text.split('\n').map((line) => line.split(/: (.*)/s).slice(0, 2)))
  return { ...fields, data: JSON.parse(fields.data) }
}

const eventsOf = (frames: readonly Frame[]) => frames.filter(({ event }) => event === 'event')
const typesOf = (frames: readonly Frame[]) => eventsOf(frames).map(({ data }) => data.event.type)
const head = async () => (await server.call('GET', '/audit/events?last=1', { admin: true })).json.next

describe('the stream of events', () => {
  test('says where it begins, and then what happens, numbered by id', async () => {
    const { json } = await server.call('GET', '/audit/events?last=1', { admin: true })
    const { seq: after, event } = json.events[0]
    const { until, frames } = await listen()
    const { id, log } = event
    expect(frames).toEqual([{ event: 'heartbeat', data: { next: after, log, id } }])
    await server.pull()
    await server.exchange()
    const events = eventsOf(await until((all) => eventsOf(all).length === 3))
    expect(events.map(({ data }) => data.event.type)).toEqual([
      'delegation.pulled',
      'delegation.pulled',
      'token.exchanged',
    ])
    expect(events.map(({ id }) => Number(id))).toEqual([after + 1, after + 2, after + 3])
    expect(events.map(({ data }) => data.seq)).toEqual([after + 1, after + 2, after + 3])
  })

  test('tells first what has happened since the cursor, in a parameter or as a browser has it', async () => {
    const { until, frames } = await listen('?after=-1')
    // Nothing is there yet, so it has no id.
    expect(frames[0]).toEqual({ event: 'heartbeat', data: { next: -1, log: expect.any(String) } })
    const all = eventsOf(await until((found) => eventsOf(found).length > 3))
    expect(all.map(({ id }) => Number(id))).toEqual(all.map((_, index) => index))
    const again = await listen('?after=-1', { 'last-event-id': '1' })
    expect(eventsOf(await again.until((found) => eventsOf(found).length > 0))[0]).toMatchObject({ id: '2' })
  })

  test('tells what fits, before and after it has caught up', async () => {
    const { until } = await listen(`?after=-1&filter=${encodeURIComponent('type~token.* outcome=deny')}`)
    await server.exchange({ scope: 'billing:refund' })
    await server.pull()
    await server.exchange({ resource: BILLING, scope: 'billing:refund' })
    expect(typesOf(await until((all) => eventsOf(all).length === 2))).toEqual([
      'token.exchanged',
      'token.exchanged',
    ])
  })

  test('wakes everybody who follows with the same events', async () => {
    const all = await Promise.all(Array.from({ length: 20 }, () => listen()))
    await server.pull()
    const found = await Promise.all(all.map(({ until }) => until((frames) => eventsOf(frames).length === 1)))
    expect(new Set(found.map((frames) => JSON.stringify(eventsOf(frames)))).size).toBe(1)
  })

  test('misses and repeats nothing while 100 connections are cut', async () => {
    const from = await head()
    let seen = from
    const numbers: number[] = []
    const minting = (async () => {
      for (let round = 0; round < 100; round++) await server.pull()
    })()
    for (let cut = 0; cut < 100; cut++) {
      const { until, leave } = await listen(`?after=${seen}`)
      const wanted = seen < from + 100 ? 1 : 0
      const frames = eventsOf(await until((all) => eventsOf(all).length >= wanted))
      leave()
      numbers.push(...frames.map(({ id }) => Number(id)))
      seen = numbers.at(-1) ?? seen
    }
    await minting
    expect(numbers).toEqual(Array.from({ length: 100 }, (_, index) => from + 1 + index))
  }, 120_000)

  test.each([
    { why: 'the log is shorter', query: () => '?after=1000000', reason: 'ahead' },
    { why: 'it is another log', query: () => '?after=0&log=authsec/other', reason: 'other_log' },
  ])('says that there is a gap where $why, and goes on', async ({ query, reason }) => {
    const { frames, until } = await listen(query())
    expect(frames[0]).toMatchObject({ event: 'gap', data: { reason, log: expect.any(String) } })
    await server.pull()
    expect(typesOf(await until((all) => typesOf(all).includes('delegation.pulled')))).toContain(
      'delegation.pulled',
    )
  })

  test('ends when the session of its reader has, and tells nothing more', async () => {
    const own = await startTestServer({ passwords: { 'admin@authsec.test': 'correct horse battery' } })
    try {
      const login = { email: 'admin@authsec.test', password: 'correct horse battery' }
      const { token } = (await own.call('POST', '/uflow/auth/admin/login', { json: login })).json
      const headers = { authorization: `Bearer ${token}` }
      const stream = await fetch(`${own.url}/audit/events/stream`, { headers })
      expect((await own.call('POST', '/auth/logout', { headers })).status).toBe(200)
      own.now += 5_000
      await own.pull()
      const told = (await stream.text()).split('\n\n').filter(Boolean).map(readFrame)
      expect(typesOf(told)).not.toContain('delegation.pulled')
    } finally {
      await own.close()
    }
  })

  test('a reader who has stopped holds nobody up, and finds everything when it reads on', async () => {
    const after = await head()
    const socket = connect(server.port, '127.0.0.1')
    socket.pause()
    socket.write(
      `GET /audit/events/stream?after=${after} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${server.adminToken}\r\n\r\n`,
    )
    const big = 'x'.repeat(1_000)
    for (let round = 0; round < 200; round++) {
      await server.call('GET', `/authsec/uflow/sdk/delegation-token?client_id=${server.clientId}`, {
        headers: { 'user-agent': big },
      })
    }
    let text = ''
    socket.setEncoding('utf8').on('data', (chunk) => {
      text += chunk
    })
    socket.resume()
    await expect
      .poll(() => [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id)), { timeout: 30_000 })
      .toEqual(Array.from({ length: 200 }, (_, index) => after + 1 + index))
    socket.destroy()
  }, 120_000)

  test.each([
    { query: '?after=x', error: /^after "x" is not a whole number/ },
    { query: '?after=-2', error: /^after "-2" is not a whole number/ },
    { query: '?filter=colour=red', error: '"colour=red" is not a filter' },
  ])('refuses $query by name', async ({ query, error }) => {
    const reply = await server.call('GET', `/audit/events/stream${query}`, { admin: true })
    expect(reply).toMatchObject({
      status: 400,
      json: { error: error instanceof RegExp ? expect.stringMatching(error) : error },
    })
  })

  test('is for an admin', async () => {
    expect(await server.call('GET', '/audit/events/stream')).toMatchObject({ status: 401 })
  })

  test('tells what comes before a record that is damaged, names that one and ends', async () => {
    const state = await makeDirectory()
    await (await startTestServer({ state })).close()
    const database = new Database(join(state, 'authsec.db'))
    database.exec('update audit_events set record = substr(record, 2) where seq = 3')
    database.close()
    const own = await startTestServer({ state })
    try {
      const beyond = await fetch(`${own.url}/audit/events/stream?after=3`, {
        headers: { authorization: `Bearer ${own.adminToken}` },
      })
      for await (const chunk of beyond.body ?? []) {
        const [first = ''] = new TextDecoder().decode(chunk).split('\n\n')
        expect(readFrame(first).data).toEqual({ next: 3, log: expect.any(String) })
        break
      }
      for (const [query, seqs] of [
        ['after=0', [1, 2]],
        ['after=2', []],
        ['after=0&filter=text~billing', []],
      ] as const) {
        const headers = { authorization: `Bearer ${own.adminToken}` }
        const stream = await fetch(`${own.url}/audit/events/stream?${query}`, { headers })
        const told = (await stream.text()).split('\n\n').filter(Boolean).map(readFrame)
        expect(eventsOf(told).map(({ data }) => data.seq)).toEqual(seqs)
        expect(told.at(-1)).toEqual({
          event: 'failure',
          data: {
            error: 'record 3 of the audit log is damaged',
            details: expect.stringContaining('authsec audit verify'),
            code: 'state_unreadable',
          },
        })
        // Whoever runs the server hears of it, and the log tells that somebody could not read it.
        expect(own.surprises.splice(0)).toMatchObject([{ code: 'state_unreadable' }])
        const last = (await own.call('GET', '/audit/events?last=1', { admin: true })).json.events[0]
        expect(last.event).toMatchObject({
          type: 'audit.read',
          outcome: 'deny',
          reason: 'state_unreadable',
          request_id: stream.headers.get('x-request-id'),
        })
      }
    } finally {
      await own.close()
    }
  })

  test('ends with the server', async () => {
    const other = await startTestServer()
    const response = await fetch(`${other.url}/audit/events/stream`, {
      headers: { authorization: `Bearer ${other.adminToken}` },
    })
    const reader = response.body?.getReader()
    await reader?.read()
    const closing = other.close()
    await expect(reader?.read()).resolves.toMatchObject({ done: true })
    await closing
  })
})

describe('one event', () => {
  test('is found by the id that a token names', async () => {
    const { authsec_audit: id } = (await server.exchange()).json
    const reply = await server.call('GET', `/audit/events/${id}`, { admin: true })
    expect(reply).toMatchObject({
      status: 200,
      json: { seq: expect.any(Number), event: { id, type: 'token.exchanged' } },
    })
  })

  test.each(['nothing', '..%2f..%2fetc'])('is 404 for %s', async (id) => {
    expect((await server.call('GET', `/audit/events/${id}`, { admin: true })).status).toBe(404)
  })
})

test('reading the log is one record for each session and what it asked for, at its end', async () => {
  const state = await makeDirectory()
  const first = await startTestServer({ state })
  const read = (query: string) => first.call('GET', `/audit/events${query}`, { admin: true })
  const total = (await read('?limit=1000')).json.events.length
  for (let after = -1; after < total - 1; after++) await read(`?after=${after}&limit=1`)
  await read('?filter=outcome=deny')
  await read('?limit=1&personal=true')
  expect((await read('?filter=type=audit.read')).json.events).toEqual([])
  await first.close()

  const second = await startTestServer({ state })
  const reads = (await second.call('GET', '/audit/events?filter=type=audit.read', { admin: true })).json
    .events
  expect(reads.map(({ event }: { event: { details: object } }) => event.details)).toEqual([
    { session: expect.any(String), events: 2 * total, first: 0, last: total - 1 },
    { session: expect.any(String), events: 0, filter: 'outcome=deny' },
    { session: expect.any(String), events: 1, first: 0, last: 0, personal: true },
    { session: expect.any(String), events: 0, filter: 'type=audit.read' },
  ])
  await second.close()
})
