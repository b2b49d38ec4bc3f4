import { createPrivateKey, createPublicKey, createSecretKey, type JsonWebKey } from 'node:crypto'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, generateSecret, type JWK } from 'jose'
import type { CallAlgorithm, Store, StoredKey } from '../store/store.js'
import type { Envelope, SealedPlace } from './envelope.js'
import type { SigningAlgorithm, SigningKey } from './signer.js'

/** What a key is for; one key never serves two purposes. */
export type KeyPurpose = 'call' | 'base' | 'session'

/** The keys of this server, loaded once. */
export interface Keyring {
  /** The active key of each purpose; of call tokens the one that signs where a resource asks for no other. */
  active: Readonly<Record<KeyPurpose, SigningKey>>
  /** The active keys of call tokens, one for each algorithm that a resource may ask for. */
  call: Readonly<Record<CallAlgorithm, SigningKey>>
  /** What `/oauth/jwks` serves: the public keys of call tokens. */
  callKeySet: { keys: JWK[] }
  /** What the tenant bundle serves: the one key of base tokens, under AuthSec's name for it. */
  bundle: { keys: JWK[] }
}

/** In which algorithms call tokens can be signed; the first unless a resource asks for another. */
export const CALL_ALGORITHMS: readonly CallAlgorithm[] = ['ES256', 'RS256', 'EdDSA']

/** Every key that a server needs. */
const PLACES: readonly { purpose: KeyPurpose; alg: SigningAlgorithm }[] = [
  ...CALL_ALGORITHMS.map((alg) => ({ purpose: 'call', alg }) as const),
  { purpose: 'base', alg: 'RS256' },
  { purpose: 'session', alg: 'HS256' },
]

/** AuthSec publishes the key of base tokens under this id, while the tokens themselves name none. */
const BUNDLE_KEY_ID = 'default'

/**
 * Loads the keys, and creates those of a new state. Throws `state_unreadable` when the key-encryption key is
 * another one; a key that cannot be opened is never replaced.
 */
export async function openKeyring(store: Store, envelope: Envelope, now: number): Promise<Keyring> {
  const stored = await store.keys.list()
  // All that is there is opened first: under a wrong key-encryption key nothing may be added.
  const keys = stored.map((key) => ({ ...key, ready: loadKey(key, envelope) }))
  const missing = PLACES.filter(
    ({ purpose, alg }) => !keys.some((key) => key.purpose === purpose && key.alg === alg),
  )
  if (missing.length > 0) {
    const created = await Promise.all(missing.map((place) => createKey(place, envelope, now)))
    await store.write(async (transaction) => {
      for (const key of created) await transaction.keys.insert(key)
    })
    keys.push(...created.map((key) => ({ ...key, ready: loadKey(key, envelope) })))
  }

  const findActive = (purpose: KeyPurpose, alg: SigningAlgorithm): SigningKey => {
    const key = keys.find(
      (candidate) => candidate.purpose === purpose && candidate.alg === alg && candidate.state === 'active',
    )
    if (key === undefined) throw new Error(`no active ${purpose} key for ${alg}`)
    return key.ready
  }
  const call = {
    ES256: findActive('call', 'ES256'),
    RS256: findActive('call', 'RS256'),
    EdDSA: findActive('call', 'EdDSA'),
  }
  const base = findActive('base', 'RS256')
  return {
    active: { call: call.ES256, base, session: findActive('session', 'HS256') },
    call,
    callKeySet: { keys: CALL_ALGORITHMS.map((alg) => toPublicJwk(call[alg])) },
    bundle: { keys: [{ ...toPublicJwk(base), kid: BUNDLE_KEY_ID }] },
  }
}

async function createKey(
  { purpose, alg }: { purpose: KeyPurpose; alg: SigningAlgorithm },
  envelope: Envelope,
  now: number,
): Promise<StoredKey> {
  const { privateJwk, publicJwk } = await generateJwks(alg)
  const kid = await calculateJwkThumbprint(publicJwk ?? privateJwk)
  const plain = Buffer.from(JSON.stringify(privateJwk))
  return {
    kid,
    purpose,
    alg,
    state: 'active',
    publicJwk: publicJwk && JSON.stringify(publicJwk),
    sealedJwk: envelope.seal(plain, placeOf({ kid, purpose })),
    createdAt: now,
  }
}

async function generateJwks(alg: SigningAlgorithm): Promise<{ privateJwk: JWK; publicJwk?: JWK }> {
  if (alg === 'HS256')
    return { privateJwk: await exportJWK(await generateSecret(alg, { extractable: true })) }
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true, modulusLength: 2048 })
  return { privateJwk: await exportJWK(privateKey), publicJwk: await exportJWK(publicKey) }
}

function loadKey(stored: StoredKey, envelope: Envelope): SigningKey {
  const { kid } = stored
  const alg = stored.alg as SigningAlgorithm
  const jwk: JsonWebKey = JSON.parse(Buffer.from(envelope.open(stored.sealedJwk, placeOf(stored))).toString())
  if (alg === 'HS256') {
    const secret = createSecretKey(jwk.k ?? '', 'base64url')
    return { kid, alg, privateKey: secret, publicKey: secret }
  }
  const privateKey = createPrivateKey({ key: jwk, format: 'jwk' })
  // Not the stored public key, which nothing protects: who could swap it could sign base tokens of their own.
  return { kid, alg, privateKey, publicKey: createPublicKey(privateKey) }
}

function toPublicJwk({ kid, alg, publicKey }: SigningKey): JWK {
  if (publicKey.type !== 'public') throw new Error('a symmetric key has no public form')
  return { ...(publicKey.export({ format: 'jwk' }) as JWK), kid, use: 'sig', alg }
}

function placeOf({ kid, purpose }: { kid: string; purpose: string }): SealedPlace {
  return { table: 'keys', row: kid, purpose: `${purpose} key` }
}
