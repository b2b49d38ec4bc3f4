import { beforeEach, describe, expect, test } from 'vitest'
import { SERVER_ITSELF } from '../../src/authority/audit/log.js'
import type { SeededDelegation } from '../../src/authority/seed-planting.js'
import { keepAlive } from '../../src/server/keep-alive.js'
import type { User } from '../../src/store/store.js'
import { type AuthorityBench, DAY_MS, openBench, PROVENANCE } from '../support/authority-bench.js'

let bench: AuthorityBench
let seeded: SeededDelegation
beforeEach(async () => {
  bench = await openBench()
  const { agentId: clientId, delegator: user } = bench.seeded
  seeded = { clientId, agentType: 'langchain', user, audience: ['authsec-api'], ttlSeconds: 86_400 }
})

const run = (when: 'start' | 'run') => keepAlive(bench.authority, seeded, when)
const find = () => bench.store.delegations.findByClient(seeded.clientId)

describe('what the seed has delegated', () => {
  test('is granted at the start, and anew before it ends', async () => {
    await run('start')
    const granted = await find()
    bench.clock.now += DAY_MS - 3_600_000 - 1_000
    expect(await bench.eventsOf(() => run('run'))).toEqual([])
    bench.clock.now += 2_000
    await run('run')
    expect(await find()).toMatchObject({ userId: seeded.user.id, expiresAt: granted!.expiresAt + 82_801_000 })
    // The one that was granted while it ran is the server's as well.
    bench.clock.now += DAY_MS
    expect(await bench.eventsOf(() => run('run'))).toContainEqual(
      expect.objectContaining({ type: 'delegation.granted', source: SERVER_ITSELF.source }),
    )
  })

  test.each<[string, () => Promise<User>]>([
    ['another user', async () => (await bench.store.users.findByEmail('bob@authsec.test'))!],
    ['the same user', async () => bench.alice],
  ])(
    'stays gone while %s has granted something else in its place, also when that ends',
    async (_who, user) => {
      await run('start')
      await bench.authority.delegations.grant({ ...seeded, ttlSeconds: 600 }, await user(), PROVENANCE)
      const granted = await find()
      for (const passed of [0, 600_000]) {
        bench.clock.now += passed
        expect(await bench.eventsOf(() => run('run'))).toEqual([])
      }
      expect(await find()).toEqual(granted)
      await run('start')
      expect(await find()).toMatchObject({ userId: seeded.user.id, ttlSeconds: 86_400 })
    },
  )

  test('stays gone while it is revoked, until the next start', async () => {
    await run('start')
    await bench.authority.delegations.revoke(seeded.clientId, bench.seeded.admin, PROVENANCE)
    expect(await bench.eventsOf(() => run('run'))).toEqual([])
    await run('start')
    expect(await find()).toMatchObject({ status: 'active' })
  })

  test("is the server's also where its record has been pruned", async () => {
    await run('start')
    const end = (await bench.authority.audit.head()) + 1
    await bench.store.write(({ audit }) => audit.prune(end))
    bench.clock.now += DAY_MS
    expect(await bench.eventsOf(() => run('run'))).not.toEqual([])
  })
})
