import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openEnvelope } from '../../src/authority/kek-check.js'
import type { KeyPlace, KeyTimings } from '../../src/authority/key-sets.js'
import type { Keyring } from '../../src/authority/keys.js'
import { createReplica, type Moment, type Replica } from '../../src/authority/replica.js'
import { DEV_SEED } from '../../src/authority/seed.js'
import { applySeed } from '../../src/authority/seed-planting.js'
import type { Store, Transaction, User } from '../../src/store/store.js'
import { attempt, KEK, PROVENANCE, refusalOf, START } from '../support/authority-bench.js'
import { type AuthorityReplica, openReplica, untilServed } from '../support/authority-replicas.js'
import { makePostgresSchema, type PostgresSchema } from '../support/postgres-schema.js'

const ES256: KeyPlace = { purpose: 'call', alg: 'ES256' }
const BASE: KeyPlace = { purpose: 'base', alg: 'RS256' }
const PUBLISH_MS = 660_000
const ADMIN = { id: 'admin' } as User

let schema: PostgresSchema
let clock: { now: number }
const open: AuthorityReplica[] = []

beforeEach(async () => {
  schema = await makePostgresSchema()
  clock = { now: START }
})
afterEach(async () => {
  for (const replica of open.splice(0)) await replica.close()
  await schema.drop()
})

async function openOne(): Promise<AuthorityReplica> {
  const replica = await openReplica(schema.url, () => clock.now)
  open.push(replica)
  return replica
}
async function openTwo(): Promise<[AuthorityReplica, AuthorityReplica]> {
  return [await openOne(), await openOne()]
}
const published = ({ authority }: AuthorityReplica) => authority.keyring.callKeySet.keys.map(({ kid }) => kid)

describe('two servers of one database', () => {
  test('that open a new one at once agree on its name and its keys', async () => {
    const [one, other] = await Promise.all([openOne(), openOne()])
    expect({ ...other.authority.identity, bootId: '' }).toEqual({ ...one.authority.identity, bootId: '' })
    await Promise.all([one, other].map(({ authority }) => authority.keyring.refresh()))
    expect(published(other)).toEqual(published(one))
  })

  test('let a key sign only when both have served it for long enough', async () => {
    const [one, other] = await openTwo()
    await untilServed([one, other])
    clock.now += PUBLISH_MS + 1_000
    const { changed } = await one.authority.keys.rotate(ES256, ADMIN, PROVENANCE)
    expect(await refusalOf(other.authority.keys.rotate(ES256, ADMIN, PROVENANCE))).toMatchObject({
      code: 'conflict',
    })
    await untilServed([one, other])
    for (const kid of changed) expect(published(other)).toContain(kid)
    expect(other.authority.keyring.call.ES256.kid).toBe(one.authority.keyring.call.ES256.kid)
    // Served since now: it takes as long from here.
    expect(await refusalOf(one.authority.keys.rotate(ES256, ADMIN, PROVENANCE))).toMatchObject({
      message: expect.stringContaining('may sign in'),
    })
    clock.now += PUBLISH_MS + 1_000
    await one.authority.keys.rotate(ES256, ADMIN, PROVENANCE)
  })

  test('know at once which keys each of them serves, whatever made it load them', async () => {
    const [one, other] = await openTwo()
    const behind = async () => {
      const revision = await one.store.keys.revision()
      const live = await one.store.replicas.listLive()
      return live.filter(({ keyRevision }) => keyRevision < revision).map(({ bootId }) => bootId)
    }
    await one.authority.keys.rotate(BASE, ADMIN, PROVENANCE)
    expect(await behind()).not.toContain(one.authority.identity.bootId)
    await other.authority.keyring.refresh()
    expect(await behind()).toEqual([])
  })

  test('say that a key waits for one of them, rather than for how long', async () => {
    const [one] = await openTwo()
    const { kid } = one.authority.keyring.call.ES256
    await one.authority.keys.condemn(kid, 'tainted', ADMIN, PROVENANCE)
    // Alive, and behind.
    await one.store.write(({ replicas }) =>
      replicas.renew({ bootId: 'a third', keyRevision: 0, leaseMs: 60_000 }),
    )
    expect(await refusalOf(one.authority.keys.rotate(ES256, ADMIN, PROVENANCE))).toMatchObject({
      code: 'conflict',
      message: expect.stringContaining('is not served by every server yet'),
    })
  })

  test('do not wait for one that is gone', async () => {
    const [one, other] = await openTwo()
    await untilServed([one, other])
    await other.close()
    open.splice(open.indexOf(other), 1)
    clock.now += PUBLISH_MS + 1_000
    await one.authority.keys.rotate(ES256, ADMIN, PROVENANCE)
  })

  test('take a key out of both key sets when it is revoked on one', async () => {
    const [one, other] = await openTwo()
    const { kid } = one.authority.keyring.call.ES256
    await one.authority.keys.condemn(kid, 'revoked', ADMIN, PROVENANCE)
    await untilServed([one, other])
    expect(published(other)).not.toContain(kid)
    expect(other.authority.keyring.call.ES256.kid).toBe(one.authority.keyring.call.ES256.kid)
  })

  test('let one that is alone rotate as often as it likes, where nobody keeps its key set', async () => {
    const alone = await openReplica(schema.url, () => clock.now, { publishSeconds: 0 })
    open.push(alone)
    for (let round = 0; round < 3; round++) await alone.authority.keys.rotate(ES256, ADMIN, PROVENANCE)
  })

  test('have one leader, and another one when it leaves', async () => {
    const replicas = await openTwo()
    const leading = async () => {
      const due = []
      for (const { authority } of open) due.push((await authority.keys.upkeep()) !== undefined)
      return due
    }
    expect(await leading()).toEqual([true, false])
    await replicas[0].close()
    open.splice(0, 1)
    expect(await leading()).toEqual([true])
  })

  test('take a login challenge of each other, once', async () => {
    const [one, other] = await openTwo()
    const { admin } = await applySeed(
      { store: one.store, audit: one.authority.audit },
      DEV_SEED,
      one.authority.identity.tenantId,
      clock.now,
    )
    const { challenge } = one.authority.logins.createChallenge()
    const credentials = { email: admin.email, password: 'a wrong password', challenge }
    const says = async ({ authority }: AuthorityReplica) =>
      (await refusalOf(authority.logins.login(credentials, PROVENANCE))).message
    expect(await says(other)).not.toContain('challenge')
    expect(await says(one)).toContain('challenge')
    expect(await says(other)).toContain('challenge')
  })

  test('count the guesses at a user code together', async () => {
    const replicas = await openTwo()
    const from = { ...PROVENANCE, ip: '192.0.2.1' }
    const codes = []
    for (let guess = 0; guess < 12; guess++) {
      const { authority } = replicas[guess % 2] as AuthorityReplica
      codes.push((await refusalOf(authority.devices.find('AAAA-AAAA', from))).code)
    }
    expect(codes).toEqual([...Array(10).fill('not_found'), 'rate_limited', 'rate_limited'])
  })

  test('let the session of a run be used at both while its server is alive', async () => {
    const [one, other] = await openTwo()
    const { admin } = await applySeed(
      { store: one.store, audit: one.authority.audit },
      DEV_SEED,
      one.authority.identity.tenantId,
      clock.now,
    )
    const token = await one.authority.sessions.start(admin)
    await other.authority.sessions.start(admin)
    expect(await other.authority.sessions.resume(token)).toMatchObject({ user: { id: admin.id } })
    await one.close()
    open.splice(open.indexOf(one), 1)
    expect(await refusalOf(other.authority.sessions.resume(token))).toMatchObject({ code: 'login_required' })
  })
})

describe('a server whose clock is not that of its database', () => {
  const HOUR_MS = 3_600_000
  /** By how much the clock of one machine is ahead. */
  let ahead: number

  beforeEach(() => {
    ahead = 0
  })

  /** One whose machine has another clock than this one, and goes by it. */
  async function openOff(timings: KeyTimings = {}): Promise<AuthorityReplica> {
    const readTime = () => ({ wall: Date.now() + ahead, steady: performance.now() })
    const replica = await openReplica(schema.url, () => clock.now + ahead, timings, { readTime })
    open.push(replica)
    return replica
  }
  const states = async ({ store }: AuthorityReplica) =>
    (await store.keys.list()).filter(({ alg }) => alg === 'ES256').map(({ kid, state }) => [kid, state])

  test.each([
    { by: HOUR_MS, message: "the clock of this machine is 60 min ahead of the database's" },
    { by: -HOUR_MS, message: "the clock of this machine is 60 min behind the database's" },
  ])('does not start where $message', async ({ by, message }) => {
    ahead = by
    expect(await refusalOf(openOff())).toMatchObject({ code: 'configuration', message })
    ahead = by / 120
    await openOff()
  })

  test('neither retires a key nor lets one sign before its time, and serves none until it is right', async () => {
    const off = await openOff()
    const right = await openOne()
    await untilServed([off, right])
    clock.now += PUBLISH_MS + 1_000
    await right.authority.keys.rotate(ES256, ADMIN, PROVENANCE)
    await untilServed([off, right])
    const before = await states(right)
    ahead = HOUR_MS
    expect(() => off.authority.keyring.call).toThrow('lost touch')
    // One that does nothing by itself has no time to come back at.
    expect(await off.authority.keys.upkeep()).toBeUndefined()
    expect(await refusalOf(off.authority.keys.rotate(ES256, ADMIN, PROVENANCE))).toMatchObject({
      message: expect.stringContaining('60 min ahead'),
    })
    expect(await states(right)).toEqual(before)
    ahead = 0
    await expect.poll(() => attempt(() => off.authority.keyring.call)).toBe('well')
  })

  test("goes by the database's where it is off by no more than the skew", async () => {
    const one = await openOff({ publishSeconds: 30 })
    await untilServed([one])
    clock.now += 31_000
    await one.authority.keys.rotate(ES256, ADMIN, PROVENANCE)
    await untilServed([one])
    ahead = 50_000
    expect(await refusalOf(one.authority.keys.rotate(ES256, ADMIN, PROVENANCE))).toMatchObject({
      message: expect.stringMatching(/may sign in (29|30) seconds/),
    })
  })
})

describe('a server that was silent for too long', () => {
  let time: Moment
  let replica: Replica
  let one: AuthorityReplica
  let admit: (transaction: Transaction) => Promise<void>

  beforeEach(async () => {
    one = await openOne()
    admit = (await openEnvelope(one.store, KEK, one.authority.identity)).assertSameState
    time = { wall: 1_000_000, steady: 1_000 }
    const timings = { leaseSeconds: 30 }
    replica = createReplica({ store: one.store, admit, bootId: 'paused', timings, readTime: () => time })
    await replica.join(one.authority.keyring)
    // What it does by itself is not what is looked at here.
    await replica.leave()
    await one.store.write(({ replicas }) => replicas.remove('paused'))
  })

  test.each([
    { clock: 'steady', after: { wall: 1_000_000, steady: 1_000 + 25_001 } },
    { clock: 'wall', after: { wall: 1_000_000 + 25_001, steady: 1_000 } },
  ])(
    'serves nothing and leads nobody from five seconds before its lease ends, by its $clock clock',
    async ({ after }) => {
      const paused = createReplica({ store: one.store, admit, bootId: 'other', readTime: () => time })
      await paused.join(pretend(one.authority.keyring))
      expect(() => paused.assertCurrent()).not.toThrow()
      expect(await paused.leads()).toBe(true)
      time = after
      const leads = paused.leads()
      expect(() => paused.assertCurrent()).toThrow('lost touch')
      expect(await leads).toBe(false)
      await expect.poll(() => attempt(() => paused.assertCurrent())).toBe('well')
      await paused.leave()
    },
  )

  test('leaves though each renewal takes longer than the time until the next one', async () => {
    const { store } = one
    let renewals = 0
    const slow: Store = {
      ...store,
      write: async (work) => {
        const done = await store.write(work)
        renewals++
        time = { wall: time.wall + 10_000, steady: time.steady + 10_000 }
        return done
      },
    }
    const late = createReplica({ store: slow, admit, bootId: 'late', readTime: () => time })
    await late.join(pretend(one.authority.keyring))
    await expect.poll(() => renewals).toBeGreaterThan(3)
    await late.leave()
  })

  test('serves nothing before it has joined and after it has left', () => {
    expect(() => replica.assertCurrent()).toThrow('lost touch')
  })

  test('has a lease that is long enough for that', () => {
    const make = () => createReplica({ store: one.store, admit, bootId: 'x', timings: { leaseSeconds: 5 } })
    expect(make).toThrow('too short')
  })
})

function pretend(keyring: Keyring): Pick<Keyring, 'revision' | 'refresh'> {
  return keyring
}
