import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { createClockWatch } from '../../src/authority/clock-watch.js'
import { openBench } from '../support/authority-bench.js'
import { registerClient } from '../support/registered-client.js'
import { makeDirectory } from '../support/run-cli.js'
import { BILLING, startTestServer } from '../support/running-server.js'

const NOON = Date.parse('2026-11-24T12:00:00Z')
const HOUR_MS = 3_600_000

const steps = async (server: Awaited<ReturnType<typeof startTestServer>>) => {
  const { json } = await server.call('GET', '/audit/events?filter=type%3Dclock.stepped', { admin: true })
  return (json.events as { event: { details: object } }[]).map(({ event }) => event.details)
}

describe('a clock that is set back', () => {
  test('while a server runs is told by the log, and beyond the skew nothing is issued until it is right', async () => {
    let now = NOON
    const server = await startTestServer({ clock: () => now })
    now -= 2_000
    expect((await server.exchange()).status).toBe(200)
    await expect
      .poll(() => steps(server))
      .toEqual([{ from: '2026-11-24T12:00:00.000Z', to: '2026-11-24T11:59:58.000Z', seconds: -2 }])
    now -= HOUR_MS
    expect(await server.exchange()).toMatchObject({
      status: 503,
      json: {
        error: 'temporarily_unavailable',
        error_description: expect.stringContaining('set back by 60 min'),
      },
    })
    now = NOON
    expect((await server.exchange()).status).toBe(200)
    const refusals = '/audit/events?filter=reason%3Dtemporarily_unavailable'
    expect((await server.call('GET', refusals, { admin: true })).json.events).toMatchObject([
      { event: { type: 'token.exchanged', outcome: 'deny', client: server.clientId } },
    ])
    await server.close()
  })

  test('has no token used up or called active, whose use or revocation was forgotten when it had expired', async () => {
    let now = NOON
    const server = await startTestServer({ clock: () => now })
    const { id, basic } = await registerClient(server)
    await server.call('DELETE', `/admin/resources/${encodeURIComponent(BILLING)}`, { admin: true })
    const json = { uri: BILLING, permissions: ['billing:read'], client_id: id }
    await server.call('POST', '/admin/resources', { admin: true, json })
    const token = (await server.exchange({ one_time: 'true' })).json.access_token
    const form = { token }
    const introspect = () => server.call('POST', '/oauth/introspect', { admin: true, form })
    const consume = () => server.call('POST', '/oauth/consume', { form, headers: basic })
    expect((await introspect()).json).toMatchObject({ active: true })
    now += HOUR_MS
    expect((await introspect()).json).toEqual({ active: false })
    now = NOON
    for (const reply of [await introspect(), await consume()]) {
      expect(reply).toMatchObject({ status: 503, json: { error: 'temporarily_unavailable' } })
    }
    // Who proves nothing is told nothing, not even that.
    for (const path of ['/oauth/introspect', '/oauth/consume']) {
      const stranger = await server.call('POST', path, { form: { client_id: server.tenantId, token } })
      expect(stranger).toMatchObject({ status: 401, json: { error: 'invalid_client' } })
    }
    await server.close()
  })

  test('is told in the end where it could not be recorded at first', async () => {
    const { authority, store, eventsOf } = await openBench()
    let now = NOON
    const { read, recordSteps } = createClockWatch(() => now, 60)
    read()
    now -= HOUR_MS
    read()
    const record = () => recordSteps(authority.audit)
    store.beforeNextWrite(() => {
      now -= 2_000
      read()
      throw new Error('no disk')
    })
    await expect(record()).rejects.toThrow('no disk')
    expect(await eventsOf(record)).toMatchObject([
      { type: 'clock.stepped', details: { seconds: -3600 } },
      { type: 'clock.stepped', details: { seconds: -2 } },
    ])
    expect(await eventsOf(record)).toEqual([])
  })

  test('leaves no record unsigned, not even by a step that cannot be told', async () => {
    let now = NOON
    const surprises: unknown[] = []
    const server = await startTestServer({
      clock: () => now,
      onSurprise: (error) => surprises.push(error),
    })
    const head = async () => Number((await server.signHead()).split('\n')[1])
    const published = async () =>
      Number((await server.call('GET', '/audit/log/checkpoint')).text.split('\n')[1])
    // No date at all.
    now = 9e15
    await server.call('GET', '/audit/events', { admin: true })
    now = NOON
    const before = await head()
    await server.exchange()
    await expect.poll(published).toBeGreaterThan(before)
    await expect.poll(() => String(surprises)).toContain('RangeError')
    await server.close()
  })

  test('before a start is refused, accepted when somebody says so, and recorded', async () => {
    const state = join(await makeDirectory(), 'state')
    await (await startTestServer({ state, clock: () => NOON })).close()
    const early = { state, clock: () => NOON - HOUR_MS }
    await expect(startTestServer(early)).rejects.toMatchObject({
      code: 'configuration',
      message: 'the clock is 60 min behind the audit log, which ends at 2026-11-24T12:00:00Z',
      hint: expect.stringContaining('--accept-clock'),
    })
    const accepted = await startTestServer({ ...early, acceptClock: true })
    expect((await accepted.exchange()).status).toBe(200)
    expect(await steps(accepted)).toEqual([
      { from: '2026-11-24T12:00:00.000Z', to: '2026-11-24T11:00:00.000Z', seconds: -3600 },
    ])
    await accepted.close()
    await (await startTestServer(early)).close()
  })

  test('by no more than computers differ is nothing to tell', async () => {
    const state = join(await makeDirectory(), 'state')
    await (await startTestServer({ state, clock: () => NOON })).close()
    const server = await startTestServer({ state, clock: () => NOON - 400 })
    expect(await steps(server)).toEqual([])
    await server.close()
  })
})
