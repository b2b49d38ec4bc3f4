import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { KeyTimings } from '../../src/authority/key-sets.js'
import type { ReplicaTimings } from '../../src/authority/replica.js'
import { attempt, refusalOf, START } from '../support/authority-bench.js'
import { type AuthorityReplica, openReplica } from '../support/authority-replicas.js'
import { makePostgresSchema, type PostgresSchema } from '../support/postgres-schema.js'

/** How long something may take that a server does by itself. */
const WITHIN = { timeout: 60_000 }

let schema: PostgresSchema
let open: AuthorityReplica[] = []

beforeEach(async () => {
  schema = await makePostgresSchema()
})
afterEach(async () => {
  await closeAll()
  await schema.drop()
})

async function openOne(
  timings: KeyTimings = {},
  replica: Parameters<typeof openReplica>[3] = {},
): Promise<AuthorityReplica> {
  const opened = await openReplica(schema.url, () => START, timings, replica)
  open.push(opened)
  return opened
}
async function closeAll(): Promise<void> {
  for (const replica of open.splice(0)) await replica.close()
}

describe('the servers of one database', () => {
  test('go by the same timings, or one of them does not start, and is told which and why', async () => {
    await openOne({ publishSeconds: 660 })
    const others: [KeyTimings, ReplicaTimings, string][] = [
      // Whichever of them leads replaces the keys, and each tells when.
      [{ rotateSeconds: 86_400 }, {}, '--rotate-every 1d, where they have 30d'],
      [{ publishSeconds: 0 }, {}, '--publish-ahead 0s, where they have 11m'],
      [{ maxCallTtl: 5 }, {}, '--max-call-ttl 5s, where they have 5m'],
      [{ skewSeconds: 0 }, {}, '--clock-skew 0s, where they have 1m'],
      [{}, { leaseSeconds: 60 }, '--lease 1m, where they have 30s'],
      [{ maxCallTtl: 5, skewSeconds: 0 }, {}, '5s, where they have 5m; --clock-skew 0s, where they have 1m'],
    ]
    for (const [timings, replica, says] of others) {
      expect(await refusalOf(openOne(timings, replica))).toMatchObject({
        code: 'configuration',
        message: expect.stringContaining(says),
        hint: expect.stringContaining('stop all of them first'),
      })
    }
  })

  test('take one in beside those of a version that did not say when it replaces keys', async () => {
    // Long, so that it renews nothing by itself meanwhile.
    const lease = { leaseSeconds: 3_600 }
    await openOne({}, lease)
    // It says them anew where it finds that keys have changed, which may be before the next one is there.
    await vi.waitFor(async () => {
      await schema.run(
        `update settings set value = replace(value, '"rotateSeconds"', '"x"') where name = 'timings'`,
      )
      return openOne({ rotateSeconds: 86_400 }, lease)
    }, WITHIN)
    expect(await refusalOf(openOne({}, lease))).toMatchObject({
      message: expect.stringContaining('--rotate-every 30d, where they have 1d'),
    })
  })

  test('keep their keys where one of them is refused that would make its own', async () => {
    const { store } = await openOne()
    const readKeys = async () => [await store.keys.revision(), await store.keys.list()]
    const before = await readKeys()
    const refused = await refusalOf(openOne({ maxCallTtl: 5 }, { keySource: 'ephemeral' }))
    expect(refused).toMatchObject({ code: 'configuration' })
    expect(await readKeys()).toEqual(before)
  })

  test('go by those of the next one where none of them is left', async () => {
    await openOne()
    await closeAll()
    expect((await openOne({ publishSeconds: 20 })).authority.keys.maxAge).toBe(10)
    expect(await refusalOf(openOne())).toMatchObject({ message: expect.stringContaining('have 20s') })
  })

  test('go by those of the first of two that start at the same instant', async () => {
    const outcomes = await Promise.allSettled([openOne({ maxCallTtl: 5 }), openOne({ maxCallTtl: 6 })])
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })

  test('have none among them that stood still while others agreed on something else', async () => {
    // Long, so that it renews nothing by itself meanwhile.
    const lease = { leaseSeconds: 3_600 }
    const stale = await openOne({}, lease)
    // It looks often whether keys have changed, and comes back when they have, which may be before the next one is there.
    const next = await vi.waitFor(async () => {
      await schema.run('update replicas set lease_until = 0')
      return openOne({ maxCallTtl: 5 }, lease)
    }, WITHIN)
    await expect.poll(() => attempt(() => stale.authority.keyring.active), WITHIN).toContain('lost touch')
    expect((await next.store.replicas.listLive()).map(({ bootId }) => bootId)).toEqual([
      next.authority.identity.bootId,
    ])
    expect(attempt(() => next.authority.keyring.active)).toBe('well')
    // It goes on once it is alone: nobody relies on the others any more.
    await next.close()
    open = [stale]
    await expect.poll(() => attempt(() => stale.authority.keyring.active), WITHIN).toBe('well')
  })
})
