import { AuthsecError } from '../core/errors.js'
import { isJsonObject, type Json, type JsonObject } from '../core/strict-json.js'
import { ALGORITHMS, type Algorithm } from './algorithm.js'
import { importPublicKey, type PublicJwk, type PublicKey } from './signature.js'

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
}

/** Which key a token means. */
export interface KeyQuery {
  /** The `kid` of its header; undefined where the issuer has only one key. */
  id: string | undefined
  algorithm: Algorithm
}

/** The most keys that a set may hold. */
const MAX_KEYS = 100

/**
 * Reads a JWK Set. Keys that cannot verify a signature (other uses, unknown kinds, RSA below 2048 bits) are
 * passed over, as RFC 7517 §5 asks; so is a key published with its private half. Throws `server_error` naming
 * `source` for what is no key set or holds more than 100 keys.
 */
export function parseKeySet(document: JsonObject, source: string): VerificationKey[] {
  const { keys } = document as { keys?: Json }
  if (!Array.isArray(keys)) throw new AuthsecError('server_error', `the answer of ${source} is no key set`)
  if (keys.length > MAX_KEYS) {
    throw new AuthsecError('server_error', `${source} has ${keys.length} keys, more than ${MAX_KEYS}`)
  }
  return keys.map(readKey).filter((key) => key !== undefined)
}

/** The key that a token means: by its id, or the only one there is when the token names none. */
export function selectKey(
  keys: readonly VerificationKey[],
  { id, algorithm }: KeyQuery,
): VerificationKey | undefined {
  if (id === undefined && keys.length !== 1) return undefined
  return keys.find((key) => (id === undefined || key.id === id) && key.algorithms.includes(algorithm))
}

function readKey(jwk: Json): VerificationKey | undefined {
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

  const publicJwk = kty === 'RSA' ? { kty, n, e } : kty === 'EC' ? { kty, crv, x, y } : { kty, crv, x }
  const publicKey = importPublicKey(publicJwk as PublicJwk)
  return publicKey && { id: kid, algorithms, publicKey }
}

type JwkMembers = Partial<
  Record<'kty' | 'crv' | 'x' | 'y' | 'n' | 'e' | 'kid' | 'alg' | 'use' | 'key_ops', Json>
>
