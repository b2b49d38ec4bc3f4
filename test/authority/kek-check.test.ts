import { beforeEach, describe, expect, test } from 'vitest'
import { openAuthority } from '../../src/authority/authority.js'
import { findKekCheck, fingerprintKek, openEnvelope } from '../../src/authority/kek-check.js'
import { openStore } from '../../src/store/open.js'
import type { Store, StoredKey } from '../../src/store/store.js'
import { ISSUER, KEK, START } from '../support/authority-bench.js'
import { readServerKeys } from '../support/server-keys.js'

const IDENTITY = { tenantId: 'tenant', logId: 'log' }
const WRONG = new Uint8Array(32).fill(8)

let store: Store
const open = async (kek: Uint8Array) =>
  openAuthority({ store, kek, issuer: ISSUER, clock: () => START, keySource: await readServerKeys() })
const snapshot = async () => [
  await store.keys.list(),
  await store.settings.find('kek_check'),
  await store.delegations.revision(),
]

beforeEach(async () => {
  store = await openStore(':memory:')
})

describe('the fingerprint of a key-encryption key', () => {
  test('names it, and is nothing that the key is made of', () => {
    expect(fingerprintKek(KEK)).toMatch(/^[\da-f]{16}$/)
    expect(fingerprintKek(KEK)).toBe(fingerprintKek(Uint8Array.from(KEK)))
    expect(fingerprintKek(KEK)).not.toBe(fingerprintKek(WRONG))
    expect(Buffer.from(KEK).toString('hex')).not.toContain(fingerprintKek(KEK))
  })
})

describe('a state under another key-encryption key', () => {
  test('is refused, saying which it is and which it ought to be, and nothing changes', async () => {
    await open(KEK)
    const before = await snapshot()
    await expect(open(WRONG)).rejects.toMatchObject({
      code: 'state_unreadable',
      message: `the key-encryption key ${fingerprintKek(WRONG)} is another one: this state is sealed with the key-encryption key ${fingerprintKek(KEK)} (version 1)`,
      hint: expect.stringContaining('--kek-file, AUTHSEC_KEK, or the file "kek"'),
    })
    expect(await snapshot()).toEqual(before)
  })

  test('is refused although the state is from before there was a check value', async () => {
    await open(KEK)
    const old = await withoutCheck(await store.keys.list())
    await expect(openEnvelope(old, WRONG, IDENTITY)).rejects.toMatchObject({
      code: 'state_unreadable',
      message: `the key-encryption key ${fingerprintKek(WRONG)} opens no key of this state`,
    })
    expect(await findKekCheck(old)).toBeUndefined()
  })
})

describe('a state under its own key-encryption key', () => {
  test('says from its first start on which one it is', async () => {
    await open(KEK)
    expect(await findKekCheck(store)).toEqual({ version: 1, fingerprint: fingerprintKek(KEK) })
  })

  test('learns which one it is where it is from before there was a check value', async () => {
    const { identity } = await open(KEK)
    const old = await withoutCheck(await store.keys.list())
    await openEnvelope(old, KEK, identity)
    expect(await findKekCheck(old)).toEqual({ version: 1, fingerprint: fingerprintKek(KEK) })
  })

  test('is made by one of two servers that start at once, and refused to the other', async () => {
    const outcomes = await Promise.allSettled([
      openEnvelope(store, KEK, IDENTITY),
      openEnvelope(store, WRONG, IDENTITY),
    ])
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
  })

  test.each<[string, (key: StoredKey) => Partial<StoredKey>]>([
    [
      'a private part that is not what was written',
      (key) => ({ sealedJwk: key.sealedJwk.map((byte) => byte ^ 1) }),
    ],
    ['half of a private part', (key) => ({ sealedJwk: key.sealedJwk.slice(0, 20) })],
    ['nothing', () => ({ sealedJwk: new Uint8Array() })],
    ['another purpose', () => ({ purpose: 'base' })],
    ['another algorithm', () => ({ alg: 'RS256' })],
    ['an algorithm that there is not', () => ({ alg: 'none' })],
    ['a state that there is not', () => ({ state: 'on' })],
  ])('is refused where the row of a key has %s, naming the key', async (_, damage) => {
    await open(KEK)
    const keys = await store.keys.list()
    const victim = keys.find(({ purpose, alg }) => purpose === 'call' && alg === 'ES256')
    await store.write(({ keys: changes }) =>
      changes.update({ ...(victim as StoredKey), ...damage(victim as StoredKey) }),
    )
    const before = await snapshot()
    await expect(open(KEK)).rejects.toMatchObject({
      code: 'state_unreadable',
      message: expect.stringContaining(`"${victim?.kid}" of this state is damaged`),
      hint: expect.stringContaining('restore the state from a backup'),
    })
    expect(await snapshot()).toEqual(before)
  })
})

/** A store as a version before this one left it. */
async function withoutCheck(keys: readonly StoredKey[]): Promise<Store> {
  const old = await openStore(':memory:')
  await old.write(async (transaction) => {
    for (const key of keys) await transaction.keys.insert(key)
  })
  return old
}
