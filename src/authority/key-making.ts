import { createPrivateKey, createPublicKey, createSecretKey, type JsonWebKey } from 'node:crypto'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, generateSecret, type JWK } from 'jose'
import { AuthsecError } from '../core/errors.js'
import { isKeyState, isOver, type KeyState } from '../core/keyset.js'
import { quote } from '../core/printable.js'
import type { StoredKey } from '../store/store.js'
import type { Envelope } from './envelope.js'
import { placeOfKey } from './sealed-places.js'
import type { SigningAlgorithm, SigningKey, VerifyingKey } from './signer.js'

/** The states in which a key begins. */
export type NewKeyState = KeyState & ('prepared' | 'active')

/** Makes a key and seals its private part; its id is its thumbprint, RFC 7638. */
export async function makeKey(
  { purpose, alg, state }: { purpose: string; alg: SigningAlgorithm; state: NewKeyState },
  envelope: Envelope,
  now: number,
): Promise<StoredKey> {
  return sealKey({ ...(await generateNamedJwks(alg)), purpose, alg, state }, envelope, now)
}

/** A key whose parts are known. */
interface PlainKey {
  kid: string
  purpose: string
  alg: SigningAlgorithm
  state: NewKeyState
  privateJwk: JWK
  publicJwk?: JWK
}

/** Seals the private part of a key. */
export function sealKey(
  { kid, purpose, alg, state, privateJwk, publicJwk }: PlainKey,
  envelope: Envelope,
  now: number,
): StoredKey {
  return {
    kid,
    purpose,
    alg,
    state,
    publicJwk: publicJwk && JSON.stringify(publicJwk),
    sealedJwk: envelope.seal(Buffer.from(JSON.stringify(privateJwk)), placeOfKey({ kid, purpose })),
    createdAt: now,
    ...(state === 'active' && { activatedAt: now }),
  }
}

/**
 * Leaves of a key what its signatures are checked with, and of a secret no more than its kind: whoever opens the state
 * one day cannot sign with it.
 */
export function forgetPrivatePart<KeyT extends StoredKey>(key: KeyT, envelope: Envelope): KeyT {
  const { jwk, alg } = openKey(key, envelope)
  const kept =
    alg === 'HS256'
      ? { kty: jwk.kty }
      : createPublicKey({ key: jwk, format: 'jwk' }).export({ format: 'jwk' })
  return { ...key, sealedJwk: envelope.seal(Buffer.from(JSON.stringify(kept)), placeOfKey(key)) }
}

/** Opens a stored key. Throws `state_unreadable` naming a key that is not as it was. */
export function openKey(stored: StoredKey, envelope: Envelope): { jwk: JsonWebKey; alg: SigningAlgorithm } {
  const { state } = stored
  const alg = stored.alg as SigningAlgorithm
  const jwk: JsonWebKey = JSON.parse(
    Buffer.from(envelope.open(stored.sealedJwk, placeOfKey(stored))).toString(),
  )
  const [kty, crv] = SHAPES[alg] ?? []
  if (kty !== undefined && jwk.kty === kty && jwk.crv === crv && isKeyState(state)) {
    // Nothing protects the state of a key: one without a private part must not come back, a secret least of all.
    if (isOver({ state }) || (jwk.d ?? jwk.k) !== undefined) return { jwk, alg }
  }
  throw new AuthsecError(
    'state_unreadable',
    `the ${stored.purpose} key ${quote(stored.kid)} of this state is damaged`,
    {
      hint: 'Its row does not say what the key is: restore the state from a backup.',
    },
  )
}

/** Opens a key that is not over and makes it ready for use. Throws `state_unreadable`. */
export function loadKey(stored: StoredKey, envelope: Envelope): SigningKey {
  const { kid } = stored
  const { jwk, alg } = openKey(stored, envelope)
  if (alg === 'HS256') {
    const secret = createSecretKey(jwk.k ?? '', 'base64url')
    return { kid, alg, privateKey: secret, publicKey: secret }
  }
  const privateKey = createPrivateKey({ key: jwk, format: 'jwk' })
  // Not the stored public key, which nothing protects: who could swap it could sign base tokens of their own.
  return { kid, alg, privateKey, publicKey: createPublicKey(privateKey) }
}

/** Opens the public part of a key in any state. Throws `state_unreadable`. */
export function loadPublicPart(stored: StoredKey, envelope: Envelope): VerifyingKey {
  const { jwk, alg } = openKey(stored, envelope)
  return { kid: stored.kid, alg, publicKey: createPublicKey({ key: jwk, format: 'jwk' }) }
}

/** What a key of each algorithm is, RFC 7518 §6. */
const SHAPES: Readonly<Record<SigningAlgorithm, readonly [kty: string, crv?: string]>> = {
  ES256: ['EC', 'P-256'],
  RS256: ['RSA'],
  EdDSA: ['OKP', 'Ed25519'],
  HS256: ['oct'],
}

/** What verifiers are given of a key. */
export function toPublicJwk({ kid, alg, publicKey }: SigningKey): JWK {
  if (publicKey.type !== 'public') throw new Error('a symmetric key has no public form')
  return { ...(publicKey.export({ format: 'jwk' }) as JWK), kid, use: 'sig', alg }
}

// An id that begins with a hyphen would be a flag on every command line that names it.
async function generateNamedJwks(
  alg: SigningAlgorithm,
): Promise<{ privateJwk: JWK; publicJwk?: JWK; kid: string }> {
  for (;;) {
    const jwks = await generateJwks(alg)
    const kid = await calculateJwkThumbprint(jwks.publicJwk ?? jwks.privateJwk)
    if (!kid.startsWith('-')) return { ...jwks, kid }
  }
}

async function generateJwks(alg: SigningAlgorithm): Promise<{ privateJwk: JWK; publicJwk?: JWK }> {
  if (alg === 'HS256')
    return { privateJwk: await exportJWK(await generateSecret(alg, { extractable: true })) }
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true, modulusLength: 2048 })
  return { privateJwk: await exportJWK(privateKey), publicJwk: await exportJWK(publicKey) }
}
