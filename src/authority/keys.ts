import { createPrivateKey, createPublicKey, createSecretKey, type JsonWebKey } from 'node:crypto'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, generateSecret, type JWK } from 'jose'
import type { Store, StoredKey } from '../store/store.js'
import type { Envelope, SealedPlace } from './envelope.js'
import type { SigningAlgorithm, SigningKey } from './signer.js'

/** What a key is for; one key never serves two purposes. */
export type KeyPurpose = 'call' | 'base' | 'session'

/** The keys of this server, loaded once. */
export interface Keyring {
  /** The active key of each purpose. */
  active: Readonly<Record<KeyPurpose, SigningKey>>
  /** What `/oauth/jwks` serves: the public keys of call tokens. */
  callKeySet: { keys: JWK[] }
  /** What the tenant bundle serves: the one key of base tokens, under AuthSec's name for it. */
  bundle: { keys: JWK[] }
}

const ALGORITHMS: Readonly<Record<KeyPurpose, SigningAlgorithm>> = {
  call: 'ES256',
  base: 'RS256',
  session: 'HS256',
}
const PURPOSES = Object.keys(ALGORITHMS) as KeyPurpose[]

/** AuthSec publishes the key of base tokens under this id, while the tokens themselves name none. */
const BUNDLE_KEY_ID = 'default'

/**
 * Loads the keys, and creates those of a new state. Throws `state_unreadable` when the key-encryption key is
 * another one; a key that cannot be opened is never replaced.
 */
export async function openKeyring(store: Store, envelope: Envelope, now: number): Promise<Keyring> {
  const stored = await store.keys.list()
  const missing = PURPOSES.filter((purpose) => !stored.some((key) => key.purpose === purpose))
  if (missing.length > 0) {
    const created = await Promise.all(missing.map((purpose) => createKey(purpose, envelope, now)))
    await store.write(async (transaction) => {
      for (const key of created) await transaction.keys.insert(key)
    })
    stored.push(...created)
  }

  const active = Object.fromEntries(
    PURPOSES.map((purpose) => [purpose, loadKey(findActive(stored, purpose), envelope)]),
  ) as Record<KeyPurpose, SigningKey>
  return {
    active,
    callKeySet: { keys: [toPublicJwk(findActive(stored, 'call'))] },
    bundle: { keys: [{ ...toPublicJwk(findActive(stored, 'base')), kid: BUNDLE_KEY_ID }] },
  }
}

function findActive(stored: readonly StoredKey[], purpose: KeyPurpose): StoredKey {
  const key = stored.find((candidate) => candidate.purpose === purpose && candidate.state === 'active')
  if (key === undefined) throw new Error(`no active ${purpose} key`)
  return key
}

async function createKey(purpose: KeyPurpose, envelope: Envelope, now: number): Promise<StoredKey> {
  const alg = ALGORITHMS[purpose]
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
  if (stored.publicJwk === undefined) {
    const secret = createSecretKey(jwk.k ?? '', 'base64url')
    return { kid, alg, privateKey: secret, publicKey: secret }
  }
  return {
    kid,
    alg,
    privateKey: createPrivateKey({ key: jwk, format: 'jwk' }),
    publicKey: createPublicKey({ key: JSON.parse(stored.publicJwk), format: 'jwk' }),
  }
}

function toPublicJwk({ kid, alg, publicJwk }: StoredKey): JWK {
  if (publicJwk === undefined) throw new Error('a symmetric key has no public form')
  return { ...JSON.parse(publicJwk), kid, use: 'sig', alg }
}

function placeOf({ kid, purpose }: { kid: string; purpose: string }): SealedPlace {
  return { table: 'keys', row: kid, purpose: `${purpose} key` }
}
