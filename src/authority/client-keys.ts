import { constants, createPublicKey, type KeyObject, verify } from 'node:crypto'
import { AuthsecError } from '../core/errors.js'
import type { ParsedJwt } from '../core/jwt.js'
import { quote } from '../core/printable.js'
import { isModulusLong } from '../core/rsa-signature.js'
import { isJsonObject, type Json, type JsonObject, parseStrictJsonObject } from '../core/strict-json.js'
import type { Client } from '../store/store.js'

/** A public key of a client, bound to what it may have signed. */
export interface ClientKey {
  id: string | undefined
  algorithms: readonly ClientAlgorithm[]
  publicKey: KeyObject
}

/** With what a client may sign its assertions (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2). */
export type ClientAlgorithm = 'ES256' | 'ES384' | 'RS256' | 'PS256' | 'EdDSA' | 'Ed25519'

interface Traits {
  kty: string
  crv?: string
  digest?: 'sha256' | 'sha384'
  pss?: boolean
}

const TRAITS: Readonly<Record<ClientAlgorithm, Traits>> = {
  ES256: { kty: 'EC', crv: 'P-256', digest: 'sha256' },
  ES384: { kty: 'EC', crv: 'P-384', digest: 'sha384' },
  RS256: { kty: 'RSA', digest: 'sha256' },
  PS256: { kty: 'RSA', digest: 'sha256', pss: true },
  EdDSA: { kty: 'OKP', crv: 'Ed25519' },
  Ed25519: { kty: 'OKP', crv: 'Ed25519' },
}

/** Every algorithm of a client's assertion, for the metadata. */
export const CLIENT_ALGORITHMS = Object.keys(TRAITS) as readonly ClientAlgorithm[]

const MAX_KEYS = 10
const MIN_RSA_BITS = 2048
// What a private or symmetric key has (RFC 7518 §6.2.2, §6.3.2, §6.4).
const PRIVATE_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

/**
 * Reads the JWK Set that a client registers. Throws `invalid_client_metadata` for what is none, for a private
 * key, and for one that cannot sign an assertion.
 */
export function parseClientKeys(jwks: string): ClientKey[] {
  const { keys } = parseStrictJsonObject(jwks) as { keys?: Json }
  if (!Array.isArray(keys) || keys.length === 0 || keys.length > MAX_KEYS) {
    throw invalid(`jwks has to hold 1 to ${MAX_KEYS} keys`)
  }
  return keys.map(readKey)
}

/**
 * The client as it is once it proves itself by one of these public keys, a JWK Set, and by nothing else. Throws what
 * `parseClientKeys` throws.
 */
export function giveKeys(client: Client, { keys }: JsonObject): Client {
  const jwks = JSON.stringify({ keys })
  parseClientKeys(jwks)
  // A secret that it had proves nothing any more; what it has registered says the same as what counts.
  const { secretHash: _, formerSecret: __, ...rest } = client
  const authMethod = 'private_key_jwt' as const
  if (client.registration === undefined) return { ...rest, authMethod, jwks }
  const { signingAlg: ___, ...registered } = JSON.parse(client.registration)
  return {
    ...rest,
    authMethod,
    jwks,
    registration: JSON.stringify({ ...registered, authMethod, jwks: { keys } }),
  }
}

/** Whether one of the keys made the signature; the key decides the algorithm, never the header alone. */
export function hasClientSignature(
  keys: readonly ClientKey[],
  { header, signingInput, signature }: ParsedJwt,
): boolean {
  const { alg, kid, crit } = header as JsonObject
  if (crit !== undefined) return false
  const data = Buffer.from(signingInput)
  return keys
    .filter((key) => kid === undefined || key.id === kid)
    .some(({ algorithms, publicKey }) => {
      const algorithm = algorithms.find((name) => name === alg)
      return algorithm !== undefined && hasSignature(algorithm, publicKey, data, signature)
    })
}

function hasSignature(
  algorithm: ClientAlgorithm,
  key: KeyObject,
  data: Buffer,
  signature: Uint8Array,
): boolean {
  const { digest, pss } = TRAITS[algorithm]
  if (pss && !isModulusLong(signature, key.asymmetricKeyDetails?.modulusLength)) return false
  const padding = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
  return verify(digest, data, pss ? { key, ...padding } : { key, dsaEncoding: 'ieee-p1363' }, signature)
}

/** Reads a public key of somebody's key set; undefined for one that signs nothing that is accepted here. */
export function findVerifyingKey(jwk: Json): ClientKey | undefined {
  if (!isJsonObject(jwk)) return undefined
  const { kid, use } = jwk
  const algorithms = listAlgorithms(jwk)
  const publicKey = algorithms.length === 0 || (use ?? 'sig') !== 'sig' ? undefined : importKey(jwk)
  return publicKey && { id: typeof kid === 'string' ? kid : undefined, algorithms, publicKey }
}

function readKey(jwk: Json): ClientKey {
  if (!isJsonObject(jwk)) throw invalid('a key of jwks is not an object')
  const { kty, crv, kid, alg, use } = jwk as JsonObject
  if (PRIVATE_MEMBERS.some((member) => member in jwk)) {
    const name = kid === undefined ? 'a key' : `the key ${quote(kid)}`
    throw invalid(`${name} of jwks is not public: keep its private part to yourself and make another one`)
  }
  if (kid !== undefined && typeof kid !== 'string') throw invalid('the kid of a key is not a text')
  if (use !== undefined && use !== 'sig') throw invalid(`the use of a key is ${quote(use)}, not sig`)
  const algorithms = listAlgorithms(jwk)
  const publicKey = algorithms.length === 0 ? undefined : importKey(jwk)
  if (publicKey === undefined) {
    throw invalid(
      `a key of jwks (kty ${quote(kty)}, crv ${quote(crv)}, alg ${quote(alg)}) cannot sign an assertion`,
    )
  }
  return { id: kid, algorithms, publicKey }
}

function listAlgorithms({ kty, crv, alg }: JsonObject): ClientAlgorithm[] {
  return CLIENT_ALGORITHMS.filter((name) => {
    const traits = TRAITS[name]
    return traits.kty === kty && traits.crv === crv && (alg === undefined || alg === name)
  })
}

function importKey(jwk: JsonObject): KeyObject | undefined {
  try {
    const key = createPublicKey({ key: jwk, format: 'jwk' })
    const bits = key.asymmetricKeyDetails?.modulusLength
    return bits !== undefined && bits < MIN_RSA_BITS ? undefined : key
  } catch {
    return undefined
  }
}

function invalid(message: string): AuthsecError {
  return new AuthsecError('invalid_client_metadata', message)
}
