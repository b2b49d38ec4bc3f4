import { createHash, generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createEnvelope, type Envelope } from '../../src/authority/envelope.js'
import { completeTimings, createKeyRules } from '../../src/authority/key-sets.js'
import { createMissingKeys } from '../../src/authority/key-steps.js'
import { type Keyring, openKeyring } from '../../src/authority/keys.js'
import { openStore } from '../../src/store/open.js'
import type { Store, StoredKey } from '../../src/store/store.js'

const NOW = Date.parse('2026-11-24T09:00:00Z')
const envelope = createEnvelope(new Uint8Array(32).fill(3), 'tenant')
const wrongEnvelope = createEnvelope(new Uint8Array(32).fill(4), 'tenant')

const store = await openStore(':memory:')
const keyring = await openKeys(store, envelope, NOW)
const stored = await store.keys.list()

describe('the keys of a new state', () => {
  test('are one that signs and one to come for each purpose and algorithm, and no two the same', () => {
    expect(stored.map(({ purpose, alg, state }) => `${purpose} ${alg} ${state}`).sort()).toEqual([
      'audit EdDSA active',
      'base RS256 active',
      'call ES256 active',
      'call ES256 prepared',
      'call EdDSA active',
      'call EdDSA prepared',
      'call RS256 active',
      'call RS256 prepared',
      'session HS256 active',
      'session HS256 prepared',
    ])
    expect(new Set(stored.map(({ kid }) => kid)).size).toBe(10)
    expect(keyring.active).toMatchObject({
      call: { alg: 'ES256' },
      base: { alg: 'RS256' },
      session: { alg: 'HS256' },
      audit: { alg: 'EdDSA' },
    })
  })

  test('are named by their thumbprint, RFC 7638', () => {
    const [call] = keyring.callKeySet.keys
    // §3.2: the required members only, in lexicographic order, without white space.
    const input = `{"crv":"${call?.crv}","kty":"${call?.kty}","x":"${call?.x}","y":"${call?.y}"}`
    expect(call?.kid).toBe(createHash('sha256').update(input).digest('base64url'))
    expect(keyring.active.call.kid).toBe(call?.kid)

    const [base] = keyring.bundle.keys
    const rsaInput = `{"e":"${base?.e}","kty":"RSA","n":"${base?.n}"}`
    expect(keyring.active.base.kid).toBe(createHash('sha256').update(rsaInput).digest('base64url'))
  })

  test('are published without a private member, and with all that a verifier needs', () => {
    expect(keyring.callKeySet.keys).toHaveLength(6)
    expect(keyring.callKeySet.keys.slice(0, 3).map((key) => Object.keys(key).sort())).toEqual([
      ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'],
      ['alg', 'e', 'kid', 'kty', 'n', 'use'],
      ['alg', 'crv', 'kid', 'kty', 'use', 'x'],
    ])
    expect(keyring.bundle.keys.map((key) => Object.keys(key).sort())).toEqual([
      ['alg', 'e', 'kid', 'kty', 'n', 'use'],
    ])
    expect(keyring.callKeySet.keys[0]).toMatchObject({ kty: 'EC', crv: 'P-256', use: 'sig', alg: 'ES256' })
    expect(keyring.bundle.keys[0]).toMatchObject({ kty: 'RSA', use: 'sig', alg: 'RS256', kid: 'default' })
  })

  test('of base tokens are RSA with 2048 bits', () => {
    expect(keyring.active.base.privateKey.asymmetricKeyDetails?.modulusLength).toBe(2048)
  })

  test('of sessions are published nowhere', () => {
    expect(JSON.stringify([keyring.callKeySet, keyring.bundle])).not.toContain('oct')
    expect(stored.find(({ purpose }) => purpose === 'session')?.publicJwk).toBeUndefined()
  })

  test('lie sealed in the store', () => {
    const secrets = [keyring.active.call, keyring.active.base].map(
      ({ privateKey }) => privateKey.export({ format: 'jwk' }).d as string,
    )
    const session = keyring.active.session.privateKey.export({ format: 'jwk' }).k as string
    const text = stored.map((key) => JSON.stringify(key) + Buffer.from(key.sealedJwk).toString('latin1'))
    for (const secret of [...secrets, session]) expect(text.join()).not.toContain(secret)
  })
})

describe('the keys of a state that has some', () => {
  test('are the same at every start', async () => {
    const again = await openKeys(store, envelope, NOW + 1)
    expect(describeKeys(again)).toEqual(describeKeys(keyring))
    expect(await store.keys.list()).toEqual(stored)
  })

  test('are added to, where they are from before resources could ask for an algorithm', async () => {
    const old = await createStore(stored.filter(({ purpose, alg }) => purpose !== 'call' || alg === 'ES256'))
    const added = await openKeys(old, envelope, NOW)
    expect(added.active.call.kid).toBe(keyring.active.call.kid)
    expect(Object.values(added.call).map(({ alg }) => alg)).toEqual(['ES256', 'RS256', 'EdDSA'])
    expect(await old.keys.list()).toHaveLength(10)
  })

  test('stay closed and untouched under another key-encryption key', async () => {
    await expect(openKeys(store, wrongEnvelope, NOW)).rejects.toMatchObject({ code: 'state_unreadable' })
    expect(await store.keys.list()).toEqual(stored)
  })

  test('are not added to under another key-encryption key', async () => {
    const partial = await createStore(stored.filter(({ purpose }) => purpose !== 'session'))
    await expect(openKeys(partial, wrongEnvelope, NOW)).rejects.toMatchObject({ code: 'state_unreadable' })
    expect(await partial.keys.list()).toHaveLength(8)
  })

  test('are added to for a purpose that has none', async () => {
    const partial = await createStore(stored.filter(({ purpose }) => purpose !== 'session'))
    const opened = await openKeys(partial, envelope, NOW)
    expect(opened.callKeySet).toEqual(keyring.callKeySet)
    expect(opened.active.session.kid).not.toBe(keyring.active.session.kid)
  })

  test('never serve another purpose than their own', async () => {
    const swapped = await createStore(
      stored.map((key) => ({ ...key, purpose: key.purpose === 'call' ? 'session' : 'call' })),
    )
    await expect(openKeys(swapped, envelope, NOW)).rejects.toMatchObject({ code: 'state_unreadable' })
  })

  test('never go by another name than their own', async () => {
    const renamed = await createStore(stored.map((key) => ({ ...key, kid: `${key.kid}x` })))
    await expect(openKeys(renamed, envelope, NOW)).rejects.toMatchObject({ code: 'state_unreadable' })
  })

  test('are not replaced by a public key that somebody writes into the store', async () => {
    const foreign = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' })
    const swapped = await createStore(
      stored.map((key) => (key.purpose === 'base' ? { ...key, publicJwk: JSON.stringify(foreign) } : key)),
    )
    expect(describeKeys(await openKeys(swapped, envelope, NOW))).toEqual(describeKeys(keyring))
  })

  test('are refused where the one for signing is not active', async () => {
    const retired = await createStore(
      stored.map((key) => (key.purpose === 'call' ? { ...key, state: 'retired' } : key)),
    )
    await expect(openKeys(retired, envelope, NOW)).rejects.toThrow('no active call key')
  })
})

async function openKeys(from: Store, seal: Envelope, now: number): Promise<Keyring> {
  const rules = createKeyRules(completeTimings({}))
  const opened = { ...seal, assertSameState: async () => {} }
  await createMissingKeys({ store: from, envelope: opened, rules, clock: () => now })
  return openKeyring(from, seal)
}

function describeKeys({ active, callKeySet, bundle }: Keyring): object {
  const publicKeys = [active.call, active.base].map(({ publicKey }) => publicKey.export({ format: 'jwk' }))
  const privateKeys = [active.call, active.base, active.session].map(({ privateKey }) =>
    privateKey.export({ format: 'jwk' }),
  )
  return { publicKeys, privateKeys, callKeySet, bundle }
}

async function createStore(keys: readonly StoredKey[]): Promise<Store> {
  const copy = await openStore(':memory:')
  await copy.write(async (transaction) => {
    for (const key of keys) await transaction.keys.insert(key)
  })
  return copy
}
