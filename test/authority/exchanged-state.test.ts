import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { startNewLog } from '../../src/authority/audit/new-log.js'
import { fingerprintKek, openEnvelope } from '../../src/authority/kek-check.js'
import { completeTimings, createKeyRules, type KeyPlace } from '../../src/authority/key-sets.js'
import { rewrapStore } from '../../src/authority/rewrap.js'
import { DEV_SEED } from '../../src/authority/seed.js'
import { applySeed, type SeededDelegation } from '../../src/authority/seed-planting.js'
import { resetState } from '../../src/server/reset.js'
import type { User } from '../../src/store/store.js'
import { attempt, KEK, PROVENANCE, refusalOf, START } from '../support/authority-bench.js'
import { type AuthorityReplica, openReplica } from '../support/authority-replicas.js'
import { makePostgresSchema, type PostgresSchema } from '../support/postgres-schema.js'

const NEXT = new Uint8Array(32).fill(8)
const BASE: KeyPlace = { purpose: 'base', alg: 'RS256' }
const ADMIN = { id: 'admin' } as User
/** Long, so that a server renews nothing by itself during a test. */
const LEASE_SECONDS = 3_600

let schema: PostgresSchema
const open: AuthorityReplica[] = []

beforeEach(async () => {
  schema = await makePostgresSchema()
})
afterEach(async () => {
  vi.useRealTimers()
  for (const replica of open.splice(0)) await replica.close()
  await schema.drop()
})

async function openOne(kek = KEK): Promise<AuthorityReplica> {
  const replica = await openReplica(schema.url, () => START, {}, { kek, leaseSeconds: LEASE_SECONDS })
  open.push(replica)
  return replica
}

async function seed({ authority, store }: AuthorityReplica): Promise<SeededDelegation> {
  const { tenantId } = authority.identity
  const { delegations } = await applySeed({ store, audit: authority.audit }, DEV_SEED, tenantId, START)
  const [seeded] = delegations
  if (seeded === undefined) throw new Error('the dev seed has no delegation')
  return seeded
}

/** Lets every server stand still, while something happens for which none may run, until it counts as gone. */
async function pauseDuring(happening: () => Promise<unknown>): Promise<void> {
  await schema.run('update replicas set lease_until = 0')
  await happening()
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + LEASE_SECONDS * 1_000 })
}

/** Everything that a server is asked for is refused, for one of these reasons, and it never comes back by itself. */
async function expectLost(stale: AuthorityReplica, { user, ...grant }: SeededDelegation, reason: string) {
  const { audit, delegations, keyring, keys } = stale.authority
  const before = await stale.store.audit.head()
  const refusals = await Promise.all([
    refusalOf(keys.rotate(BASE, ADMIN, PROVENANCE)),
    refusalOf(delegations.grant(grant, user, PROVENANCE)),
    refusalOf(delegations.pull(grant.clientId, PROVENANCE)),
  ])
  for (const { code, message } of refusals) {
    const isLost = code === 'temporarily_unavailable' && message.includes('lost touch')
    expect(isLost || message.includes(reason)).toBe(true)
  }
  // What needs no key at all.
  const others = await Promise.all([
    refusalOf(delegations.revoke(grant.clientId, user, PROVENANCE)),
    refusalOf(audit.record(async (_transaction, add) => add({ type: 'clock.stepped' }))),
  ])
  const refusal = { code: 'state_unreadable', message: expect.stringContaining(reason) }
  expect(others).toMatchObject([refusal, refusal])
  expect(await stale.store.audit.head()).toBe(before)
  await expect.poll(() => attempt(() => keyring.active)).toContain('lost touch')
  expect(await stale.store.replicas.listLive()).toEqual([])
}

describe('a change of the key-encryption key of a database', () => {
  test('is refused while a server runs on it, and changes nothing', async () => {
    const { store } = await openOne()
    const before = [await store.keys.list(), await store.settings.find('kek_check')]
    expect(await refusalOf(rewrapStore(store, KEK, NEXT))).toMatchObject({
      code: 'conflict',
      message: 'a server runs on this state',
      hint: expect.stringContaining('Stop every server'),
    })
    expect([await store.keys.list(), await store.settings.find('kek_check')]).toEqual(before)
  })

  test('leaves nothing to do to a server that stood still for so long that it counted as gone', async () => {
    const stale = await openOne()
    const seeded = await seed(stale)
    const { user, ...grant } = seeded
    const { token } = await stale.authority.delegations.grant(grant, user, PROVENANCE)

    await pauseDuring(() => rewrapStore(stale.store, KEK, NEXT))
    await expectLost(stale, seeded, `sealed with the key-encryption key ${fingerprintKek(NEXT)}`)

    // A server that starts has a clock that is right.
    vi.useRealTimers()
    const next = await openOne(NEXT)
    await next.authority.keys.rotate(BASE, ADMIN, PROVENANCE)
    expect((await next.authority.delegations.pull(grant.clientId, PROVENANCE)).token).not.toBe(token)
  })
})

test('a state in the place of another one leaves nothing to do to a server of the former', async () => {
  const stale = await openOne()
  const seeded = await seed(stale)
  // Nothing is left to note about its keys, at which it would look.
  await stale.authority.keys.upkeep()
  const confirm = async () => {}
  const keepLog = async (files: AsyncIterable<unknown>) => {
    for await (const _ of files);
  }
  await pauseDuring(() => resetState({ store: schema.url, kek: KEK, confirm, keepLog }))
  await expectLost(stale, seeded, 'another state has taken the place')
})

test('a new log in the place of one that was rolled back is refused while another server runs', async () => {
  const [one] = [await openOne(), await openOne()]
  const { authority, store } = one
  const { identity } = authority
  const envelope = await openEnvelope(store, KEK, identity)
  const rules = createKeyRules(completeTimings({}))
  const before = await store.keys.revision()
  const options = { store, envelope, rules, clock: () => START, ...identity }
  const former = { origin: identity.logId, size: 0, root: '' }
  expect(await refusalOf(startNewLog(options, former))).toMatchObject({
    message: 'a server runs on this state',
  })
  expect(await store.keys.revision()).toBe(before)
})
