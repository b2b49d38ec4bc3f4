import { beforeEach, describe, expect, test } from 'vitest'
import { openAuthority } from '../../src/authority/authority.js'
import { findKekCheck, fingerprintKek } from '../../src/authority/kek-check.js'
import { rewrapStore } from '../../src/authority/rewrap.js'
import { openStore } from '../../src/store/open.js'
import {
  type AuthorityBench,
  ISSUER,
  KEK,
  openBench,
  PROVENANCE,
  refusalOf,
} from '../support/authority-bench.js'

const NEXT = new Uint8Array(32).fill(8)
const OTHER = new Uint8Array(32).fill(9)

let bench: AuthorityBench
beforeEach(async () => {
  bench = await openBench()
})

const reopen = (kek: Uint8Array) =>
  openAuthority({ store: bench.store, kek, issuer: ISSUER, clock: bench.clock.read })
const snapshot = async () => [
  await bench.store.keys.list(),
  await bench.store.settings.find('kek_check'),
  await bench.store.delegations.findByClient(bench.seeded.agentId),
]

describe('a change of the key-encryption key', () => {
  test('seals everything anew: only the new one opens it, and everything still works', async () => {
    const { token } = await bench.grant()
    const jwks = bench.authority.keyring.callKeySet
    const keys = await bench.store.keys.list()
    expect(await rewrapStore(bench.store, KEK, NEXT)).toEqual({
      version: 2,
      fingerprint: fingerprintKek(NEXT),
      count: keys.length + 1,
    })
    expect(await refusalOf(reopen(KEK))).toMatchObject({
      code: 'state_unreadable',
      message: expect.stringContaining(`${fingerprintKek(NEXT)} (version 2)`),
    })
    const { keyring, delegations } = await reopen(NEXT)
    expect(keyring.callKeySet).toEqual(jwks)
    expect((await delegations.pull(bench.seeded.agentId, PROVENANCE)).token).toBe(token)
  })

  test('stands in the log, by the names of both keys and nothing more of them', async () => {
    const [event, ...more] = await bench.eventsOf(() => rewrapStore(bench.store, KEK, NEXT, bench.clock.read))
    expect(more).toEqual([])
    expect(event).toMatchObject({ type: 'kek.changed', outcome: 'allow', source: 'keys rewrap' })
    expect(event?.details).toEqual({
      former: fingerprintKek(KEK),
      fingerprint: fingerprintKek(NEXT),
      version: 2,
      values: (await bench.store.keys.list()).length,
    })
    await (await reopen(NEXT)).sealing.seal()
  })

  test('can be made again, also back to the first', async () => {
    await rewrapStore(bench.store, KEK, NEXT)
    expect(await rewrapStore(bench.store, NEXT, KEK)).toMatchObject({ version: 3 })
    await reopen(KEK)
  })

  test.each([
    { why: 'the old one is another', from: OTHER, to: NEXT, code: 'state_unreadable' },
    { why: 'the new one is the old one', from: KEK, to: KEK, code: 'conflict' },
  ])('is refused where $why, and changes nothing', async ({ from, to, code }) => {
    const before = await snapshot()
    expect(await refusalOf(rewrapStore(bench.store, from, to))).toMatchObject({ code })
    expect(await snapshot()).toEqual(before)
  })

  test('is refused whole where one value is damaged', async () => {
    await bench.grant()
    await bench.store.write(({ delegations }) => delegations.reseal(bench.seeded.agentId, new Uint8Array(40)))
    const before = await snapshot()
    expect(await refusalOf(rewrapStore(bench.store, KEK, NEXT))).toMatchObject({
      code: 'state_unreadable',
      message: `the base token "${bench.seeded.agentId}" of this state is damaged`,
    })
    expect(await snapshot()).toEqual(before)
  })

  test('is refused on an empty store', async () => {
    const empty = await openStore(':memory:')
    expect(await refusalOf(rewrapStore(empty, KEK, NEXT))).toMatchObject({ code: 'not_found' })
    expect(await findKekCheck(empty)).toBeUndefined()
  })
})
