import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fingerprintKek } from '../../src/authority/kek-check.js'
import type { KeyPlace } from '../../src/authority/key-sets.js'
import { rewrapStore } from '../../src/authority/rewrap.js'
import { applySeed, DEV_SEED } from '../../src/authority/seed.js'
import type { User } from '../../src/store/store.js'
import { KEK, PROVENANCE, refusalOf, START } from '../support/authority-bench.js'
import { type AuthorityReplica, openReplica } from '../support/authority-replicas.js'
import { makePostgresSchema, type PostgresSchema } from '../support/postgres-schema.js'

const NEXT = new Uint8Array(32).fill(8)
const BASE: KeyPlace = { purpose: 'base', alg: 'RS256' }
const ADMIN = { id: 'admin' } as User

let schema: PostgresSchema
const open: AuthorityReplica[] = []

beforeEach(async () => {
  schema = await makePostgresSchema()
})
afterEach(async () => {
  for (const replica of open.splice(0)) await replica.close()
  await schema.drop()
})

async function openOne(kek = KEK): Promise<AuthorityReplica> {
  // Long, so that it renews nothing by itself meanwhile.
  const replica = await openReplica(schema.url, () => START, {}, { kek, leaseSeconds: 3_600 })
  open.push(replica)
  return replica
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

  test('leaves nothing to seal, serve or sign to a server that stood still for so long that it counted as gone', async () => {
    const stale = await openOne()
    const { store, authority } = stale
    const { delegations } = await applySeed(
      { store, audit: authority.audit },
      DEV_SEED,
      authority.identity.tenantId,
      START,
    )
    const [seeded] = delegations
    if (seeded === undefined) throw new Error('the dev seed has no delegation')
    const { user, ...grant } = seeded
    const { token } = await authority.delegations.grant(grant, user, PROVENANCE)

    await schema.run('update replicas set lease_until = 0')
    await rewrapStore(store, KEK, NEXT)
    const refusals = await Promise.all([
      refusalOf(authority.keys.rotate(BASE, ADMIN, PROVENANCE)),
      refusalOf(authority.delegations.grant(grant, user, PROVENANCE)),
      refusalOf(authority.delegations.pull(grant.clientId, PROVENANCE)),
    ])
    for (const { code, message } of refusals) {
      const isLost = code === 'temporarily_unavailable' && message.includes('lost touch')
      expect(isLost || message.includes(`sealed with the key-encryption key ${fingerprintKek(NEXT)}`)).toBe(
        true,
      )
    }
    // It never comes back by itself, however often it looks.
    await expect
      .poll(() => attempt(() => authority.keyring.active), { timeout: 20_000 })
      .toContain('lost touch')
    expect(await store.replicas.listLive()).toEqual([])

    const next = await openOne(NEXT)
    await next.authority.keys.rotate(BASE, ADMIN, PROVENANCE)
    expect((await next.authority.delegations.pull(grant.clientId, PROVENANCE)).token).not.toBe(token)
  })
})

function attempt(work: () => unknown): string {
  try {
    work()
    return 'well'
  } catch (error) {
    return String(error)
  }
}
