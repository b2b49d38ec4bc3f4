import { decodeBase64url } from '../core/base64url.js'
import { AuthsecError } from '../core/errors.js'
import { isJsonObject, type Json, type JsonObject } from '../core/strict-json.js'
import { ALGORITHMS, type Algorithm } from './algorithm.js'
import type { PublicJwk, PublicKey } from './public-key.js'
import { signatures } from './signature.js'

/** A JWK Set, RFC 7517 §5. */
export interface JsonWebKeySet {
  readonly keys: readonly JsonWebKey[]
}

/** A JWK, RFC 7517 §4, as far as a verifier reads it. */
export interface JsonWebKey extends PublicJwk {
  kid?: string
  alg?: string
  use?: string
  key_ops?: string[]
}

/** A public key, bound to what it may verify: the key decides the algorithm, never the token's header alone. */
export interface VerificationKey {
  id: string | undefined
  algorithms: readonly Algorithm[]
  publicKey: PublicKey
  /** What was published of it and counts: equal texts are equal keys. */
  published: string
}

/** Which key a token means. */
export interface KeyQuery {
  /** The `kid` of its header; undefined where the issuer has only one key. */
  id: string | undefined
  algorithm: Algorithm
}

/** The most keys that a set may hold. */
const MAX_KEYS = 100
/** RFC 7518 §3.3. */
const MIN_RSA_BITS = 2048

/**
 * Reads a JWK Set. Keys that cannot verify a signature (other uses, unknown kinds, RSA below 2048 bits) are
 * passed over, as RFC 7517 §5 asks; so is a key published with its private half. A key that is among the `known` ones
 * is that very object, so that nothing is made ready twice. Throws `server_error` naming `source` for what is no key
 * set or holds more than 100 keys.
 */
export function parseKeySet(
  document: JsonObject,
  source: string,
  known: readonly VerificationKey[] = [],
): VerificationKey[] {
  const { keys } = document as { keys?: Json }
  if (!Array.isArray(keys)) throw new AuthsecError('server_error', `the answer of ${source} is no key set`)
  if (keys.length > MAX_KEYS) {
    throw new AuthsecError('server_error', `${source} has ${keys.length} keys, more than ${MAX_KEYS}`)
  }
  return keys.map((jwk) => readKey(jwk, known)).filter((key) => key !== undefined)
}

/** The key that a token means: by its id, or the only one there is when the token names none. */
export function selectKey(
  keys: readonly VerificationKey[],
  { id, algorithm }: KeyQuery,
): VerificationKey | undefined {
  if (id === undefined && keys.length !== 1) return undefined
  return keys.find((key) => (id === undefined || key.id === id) && key.algorithms.includes(algorithm))
}

function readKey(jwk: Json, known: readonly VerificationKey[]): VerificationKey | undefined {
  if (!isJsonObject(jwk)) return undefined
  const { kty, crv, x, y, n, e, kid, alg, use, key_ops: operations } = jwk as JsonObject & JwkMembers
  if (use !== undefined && use !== 'sig') return undefined
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify')))
    return undefined
  if ('d' in jwk || (kid !== undefined && typeof kid !== 'string')) return undefined

  const algorithms = [...ALGORITHMS]
    .filter(
      ([name, traits]) => traits.kty === kty && traits.crv === crv && (alg === undefined || alg === name),
    )
    .map(([name]) => name as Algorithm)
  if (algorithms.length === 0) return undefined

  if (kty === 'RSA' && countBits(n) < MIN_RSA_BITS) return undefined
  const publicJwk = kty === 'RSA' ? { kty, n, e } : { kty, crv, x, y }
  const published = JSON.stringify([kid, algorithms, publicJwk])
  const twin = known.find((key) => key.published === published)
  if (twin !== undefined) return twin
  const publicKey = signatures.importPublicKey(publicJwk as PublicJwk)
  return publicKey && { id: kid, algorithms, publicKey, published }
}

// The length of a number in base64url (RFC 7518 §2: big-endian); 0 for what is none.
function countBits(number: Json | undefined): number {
  try {
    const bytes = decodeBase64url(String(number))
    const first = bytes.findIndex((byte) => byte !== 0)
    return first === -1 ? 0 : (bytes.length - first) * 8 - (Math.clz32(bytes[first] as number) - 24)
  } catch {
    return 0
  }
}

type JwkMembers = Partial<
  Record<'kty' | 'crv' | 'x' | 'y' | 'n' | 'e' | 'kid' | 'alg' | 'use' | 'key_ops', Json>
>
