import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'
import { DEV_SEED } from '../../src/authority/seed.js'
import { applySeed } from '../../src/authority/seed-planting.js'
import {
  type AuthorityBench,
  DAY_MS,
  openBench,
  PROVENANCE,
  refusalOf,
  START,
} from '../support/authority-bench.js'
import { openReplica } from '../support/authority-replicas.js'
import { makePostgresSchema } from '../support/postgres-schema.js'
import { makeDirectory } from '../support/run-cli.js'
import { startTestServer } from '../support/running-server.js'

let bench: AuthorityBench

beforeEach(async () => {
  bench = await openBench()
})

const upkeep = () => bench.authority.delegationEnds.upkeep()
const pull = () => bench.authority.delegations.pull(bench.seeded.agentId, PROVENANCE)
const happened = async () =>
  (await bench.events())
    .filter(({ type }) => type.startsWith('delegation.'))
    .map(({ type, outcome, reason, jti }) => [type, outcome, reason, jti])

describe('the end of a delegation', () => {
  test('is told by the log once, with all that the delegation was', async () => {
    const { delegation } = await bench.grant(['https://billing.example'])
    bench.clock.now = delegation.expiresAt - 1
    expect(await bench.eventsOf(upkeep)).toEqual([])
    bench.clock.now = delegation.expiresAt + 5_000
    const events = await bench.eventsOf(async () => {
      await upkeep()
      await upkeep()
    })
    expect(events).toEqual([
      expect.objectContaining({
        type: 'delegation.expired',
        outcome: 'allow',
        occurred_at: new Date(bench.clock.now).toISOString(),
        subject: { type: 'user', id: bench.alice.id },
        client: bench.seeded.agentId,
        delegation: delegation.id,
        jti: delegation.jti,
        policy: delegation.policyId,
        aud: ['https://billing.example'],
        permissions: { granted: [...delegation.permissions] },
        details: { expired_at: '2026-11-25T09:00:00Z' },
        source: 'server',
      }),
    ])
  })

  test('is looked for when the next one comes', async () => {
    expect(await upkeep()).toBeUndefined()
    const { delegation } = await bench.grant()
    expect(await upkeep()).toBe(delegation.expiresAt)
    bench.clock.now = delegation.expiresAt
    expect(await upkeep()).toBeUndefined()
  })

  test('is recorded by whoever finds it first, and the agent is still told so once', async () => {
    const { delegation } = await bench.grant()
    bench.clock.now = delegation.expiresAt
    await refusalOf(pull())
    await upkeep()
    const { delegation: next } = await bench.grant()
    bench.clock.now = next.expiresAt
    await upkeep()
    await refusalOf(pull())
    expect(await happened()).toEqual([
      ['delegation.granted', 'allow', undefined, delegation.jti],
      ['delegation.expired', 'allow', undefined, delegation.jti],
      ['delegation.pulled', 'deny', 'delegation_expired', delegation.jti],
      ['delegation.granted', 'allow', undefined, next.jti],
      ['delegation.expired', 'allow', undefined, next.jti],
      ['delegation.pulled', 'deny', 'delegation_expired', next.jti],
    ])
  })

  test('comes before the next grant that takes its place', async () => {
    const { delegation } = await bench.grant()
    bench.clock.now = delegation.expiresAt + DAY_MS
    const { delegation: next } = await bench.grant()
    await upkeep()
    expect(await happened()).toEqual([
      ['delegation.granted', 'allow', undefined, delegation.jti],
      ['delegation.expired', 'allow', undefined, delegation.jti],
      ['delegation.granted', 'allow', undefined, next.jti],
    ])
  })

  test('is none for one that was revoked, or replaced, before it', async () => {
    await bench.grant()
    const { delegation } = await bench.grant()
    await bench.authority.delegations.revoke(bench.seeded.agentId, bench.admin.user, PROVENANCE)
    bench.clock.now = delegation.expiresAt
    expect(await bench.eventsOf(upkeep)).toEqual([])
  })

  test('is recorded once by several servers of one database', async () => {
    const schema = await makePostgresSchema()
    const clock = { now: START }
    const replicas = [
      await openReplica(schema.url, () => clock.now),
      await openReplica(schema.url, () => clock.now),
    ]
    const [first] = replicas
    if (first === undefined) throw new Error('no replica')
    const { authority, store } = first
    const { delegations } = await applySeed(
      { store, audit: authority.audit },
      DEV_SEED,
      authority.identity.tenantId,
      clock.now,
    )
    for (const { user, ...input } of delegations) await authority.delegations.grant(input, user, PROVENANCE)
    clock.now += 30 * DAY_MS
    await Promise.all(replicas.map((replica) => replica.authority.delegationEnds.upkeep()))
    const filter = [{ field: 'type', operator: '=', value: 'delegation.expired' } as const]
    expect(await authority.audit.search({ filter, limit: 10 })).toHaveLength(delegations.length)
    for (const replica of replicas) await replica.close()
    await schema.drop()
  })

  test('that came while no server ran is recorded by the next start, before anything takes its place', async () => {
    const state = join(await makeDirectory(), 'state')
    const server = await startTestServer({ state, clock: () => START })
    await server.close()
    const later = await startTestServer({ state, clock: () => START + 400 * DAY_MS })
    const { events } = (await later.call('GET', '/audit/events?limit=1000', { admin: true })).json
    const told = (events as { event: { type: string; jti?: string } }[])
      .map(({ event }) => event)
      .filter(({ type }) => /^delegation\.(?:granted|expired)$/.test(type))
      .map(({ type, jti }) => ({ type, jti }))
    expect(told.map(({ type }) => type)).toEqual([
      'delegation.granted',
      'delegation.expired',
      'delegation.granted',
    ])
    expect(told[1]?.jti).toBe(told[0]?.jti)
    await later.close()
  })
})
