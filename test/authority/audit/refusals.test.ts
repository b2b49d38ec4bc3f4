import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import {
  createRefusals,
  type RefusalLimits,
  type RefusalSummary,
} from '../../../src/authority/audit/refusals.js'
import { makeDirectory } from '../../support/run-cli.js'
import { startTestServer } from '../../support/running-server.js'

const START = 1_000_000

describe('the refusals of a flood', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: START, toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  function open(limits: RefusalLimits) {
    const recorded: RefusalSummary[] = []
    let ids = 0
    const refusals = createRefusals({
      limits,
      clock: Date.now,
      createId: () => `summary ${++ids}`,
      record: async (summary) => void recorded.push(summary),
    })
    let requests = 0
    const refuse = (
      fields: { ip?: string; reason?: string; source?: string; provenClient?: string } = {},
    ) => {
      const { ip = '192.0.2.1', reason = 'invalid_request', source = 'POST /oauth/token', ...proof } = fields
      const provenance = { requestId: `request ${++requests}`, source, ip, userAgent: 'agent', ...proof }
      return refusals.count({ type: 'token.exchanged', reason, provenance })
    }
    return { recorded, refusals, refuse }
  }

  test('are recorded one by one up to the limit of a second, and then counted for ten', async () => {
    const { recorded, refuse } = open({ inAll: 2 })
    expect([refuse(), refuse(), refuse(), refuse()]).toEqual([undefined, undefined, 'summary 1', 'summary 1'])
    await vi.advanceTimersByTimeAsync(500)
    expect([refuse(), refuse()]).toEqual([undefined, 'summary 1'])
    await vi.advanceTimersByTimeAsync(9_499)
    expect(recorded).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(recorded).toEqual([
      {
        id: 'summary 1',
        type: 'token.exchanged',
        reason: 'invalid_request',
        // The address is kept beside the record; of everybody's agent nothing is.
        provenance: { requestId: 'request 3', source: 'POST /oauth/token', ip: '192.0.2.1' },
        count: 3,
        first: START,
        last: START + 500,
        samples: ['request 3', 'request 4', 'request 6'],
      },
    ])
  })

  test('are told apart by reason, door and network, of which one uses up only its own', async () => {
    const { recorded, refusals, refuse } = open({ inAll: 100, perNetwork: 1 })
    const from = (host: number) => `2001:db8:0:1::${host}`
    expect([refuse(), refuse(), refuse({ reason: 'invalid_client' }), refuse({ source: 'GET /x' })]).toEqual([
      undefined,
      'summary 1',
      'summary 2',
      'summary 3',
    ])
    expect([refuse({ ip: from(1) }), refuse({ ip: from(2) })]).toEqual([undefined, 'summary 4'])
    await refusals.flush()
    expect(recorded.map(({ count, provenance }) => [count, provenance.ip])).toEqual([
      [1, '192.0.2.1'],
      [1, '192.0.2.1'],
      [1, '192.0.2.1'],
      [1, '2001:db8:0:1'],
    ])
    await vi.advanceTimersByTimeAsync(20_000)
    expect(recorded).toHaveLength(4)
    expect(vi.getTimerCount()).toBe(0)
  })

  test('leave a client that has proven itself its own budget, and it leaves them theirs', async () => {
    const { recorded, refusals, refuse } = open({ inAll: 2, perNetwork: 1, perClient: 2 })
    const [ada, bob] = [{ provenClient: 'ada' }, { provenClient: 'bob' }]
    expect([refuse(ada), refuse(ada), refuse(ada)]).toEqual([undefined, undefined, 'summary 1'])
    expect([refuse(), refuse(), refuse({ ip: '192.0.2.2' }), refuse({ ip: '192.0.2.3' })]).toEqual([
      undefined,
      'summary 2',
      undefined,
      'summary 3',
    ])
    expect([refuse(bob), refuse(ada)]).toEqual([undefined, 'summary 1'])
    // However many networks there are, nothing is given back.
    for (let host = 0; host < 1_500; host++) refuse({ ip: `2001:db8:0:${host.toString(16)}::1` })
    expect(refuse(ada)).toBe('summary 1')
    await refusals.flush()
    expect(recorded[0]).toMatchObject({ count: 3, provenance: { provenClient: 'ada' } })
    expect(recorded.slice(1).map(({ provenance }) => provenance.provenClient)).not.toContain('ada')
  })

  test('are told of a proven client as of everybody where clients have no budget', () => {
    const { refuse } = open({ inAll: 1 })
    expect([refuse(), refuse({ provenClient: 'ada' })]).toEqual([undefined, 'summary 1'])
  })

  test('of more kinds than anybody reads are one', async () => {
    const { recorded, refusals, refuse } = open({ inAll: 1 })
    refuse()
    for (let at = 0; at < 500; at++) refuse({ source: `GET /${at}` })
    await refusals.flush()
    expect(recorded).toHaveLength(101)
    expect(recorded.at(-1)).toMatchObject({ reason: 'several', count: 400 })
    // They have nothing in common but the server.
    expect(recorded.at(-1)?.provenance).toEqual({ requestId: 'request 102', source: 'server' })
  })
})

test('every bad request of a flood is in the log, few of them by a record of their own, and tokens are issued beside', async () => {
  const state = join(await makeDirectory(), 'state')
  const server = await startTestServer({ state, clock: Date.now })
  const { url } = server
  const count = 600
  const refuse = async () => {
    const body = new URLSearchParams({ grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange' })
    const { status } = await server.fetch(new Request(`${url}/oauth/token`, { method: 'POST', body }))
    return status
  }
  const before = performance.now()
  const statuses = new Set<number>()
  for (let sent = 0; sent < count; sent += 100) {
    for (const status of await Promise.all(Array.from({ length: 100 }, refuse))) statuses.add(status)
    expect((await server.exchange()).status).toBe(200)
  }
  const seconds = (performance.now() - before) / 1000
  expect([...statuses]).toEqual([expect.any(Number)])
  await server.close()

  const later = await startTestServer({ state, clock: Date.now })
  const denied = []
  for (let after = -1; ; ) {
    const { events, next } = (
      await later.call('GET', `/audit/events?limit=1000&after=${after}&filter=outcome%3Ddeny`, {
        admin: true,
      })
    ).json
    if (events.length === 0) break
    denied.push(
      ...events.map(({ event }: { event: { type: string; details?: { count?: number } } }) => event),
    )
    after = next
  }
  await later.close()
  const summaries = denied.filter(({ type }) => type === 'denied.summary')
  const singles = denied.length - summaries.length
  const counted = summaries.reduce((sum, { details }) => sum + details.count, 0)
  expect(singles + counted).toBe(count)
  expect(singles).toBeLessThanOrEqual(100 + Math.ceil(seconds * 100))
  expect(summaries.length).toBeLessThanOrEqual(1 + Math.ceil(seconds / 10))
})
