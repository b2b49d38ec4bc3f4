import { encodeBase64url } from '../core/base64url.js'
import { AuthsecError } from '../core/errors.js'
import { isJsonObject } from '../core/strict-json.js'

/** A key of the platform; named by what makes one, because Node and the Web name its type differently. */
export type PlatformKey = Awaited<ReturnType<typeof crypto.subtle.importKey>>

/** A private key as JSON (RFC 7517), with whatever else stands in it. */
export type PrivateJwk = Readonly<Record<string, unknown>>

/** A private key with the algorithm that it signs with. */
export interface SigningKey {
  readonly key: PlatformKey
  readonly alg: string
  readonly kid: string | undefined
}

interface Algorithm {
  readonly alg: string
  /** For importing the key. */
  readonly name: string
  readonly namedCurve?: string
  readonly hash: string
  /** The object identifiers by which PKCS #8 names the kind of key, in hexadecimal. */
  readonly oid: string
}

const ALGORITHMS: readonly Algorithm[] = [
  { alg: 'ES256', name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256', oid: '2a8648ce3d030107' },
  { alg: 'ES384', name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384', oid: '2b81040022' },
  { alg: 'RS256', name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256', oid: '2a864886f70d010101' },
  { alg: 'PS256', name: 'RSA-PSS', hash: 'SHA-256', oid: '' },
  { alg: 'EdDSA', name: 'Ed25519', hash: '', oid: '2b6570' },
]
const PEM = /-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END PRIVATE KEY-----/
const utf8 = new TextEncoder()

/**
 * Reads a private key: a JWK, JSON text of one, PKCS #8 in PEM, or a CryptoKey; what it returns imports it. Throws
 * `configuration` at once for what cannot sign an assertion, and never repeats any of it.
 */
export function readSigningKey(given: PrivateJwk | PlatformKey | string): () => Promise<SigningKey> {
  if (typeof given === 'string') {
    const [, base64] = PEM.exec(given) ?? []
    return base64 === undefined ? readJwk(parseJson(given)) : readPkcs8(base64)
  }
  if (isPlatformKey(given)) return readPlatformKey(given)
  return readJwk(given)
}

/** A JWT with these claims, signed (RFC 7515 §7.1). */
export async function signAssertion({ key, alg, kid }: SigningKey, claims: object): Promise<string> {
  const header = { alg, typ: 'JWT', ...(kid !== undefined && { kid }) }
  const input = [header, claims].map((part) => encodeBase64url(utf8.encode(JSON.stringify(part)))).join('.')
  const { name, hash } = ALGORITHMS.find((algorithm) => algorithm.alg === alg) as Algorithm
  const signature = await crypto.subtle.sign({ name, hash, saltLength: 32 }, key, utf8.encode(input))
  return `${input}.${encodeBase64url(new Uint8Array(signature))}`
}

function readJwk(jwk: unknown): () => Promise<SigningKey> {
  if (!isJsonObject(jwk)) throw unusable('it is neither a JWK nor PKCS #8 in PEM')
  const { kty, crv, d, alg, kid, keys } = jwk
  // A set with one key in it is what many tools write.
  if (Array.isArray(keys) && keys.length === 1) return readJwk(keys[0])
  if (typeof d !== 'string') throw unusable('it is no private key')
  const algorithm = ALGORITHMS.find((one) => {
    if (alg !== undefined && alg !== one.alg && !(alg === 'Ed25519' && one.alg === 'EdDSA')) return false
    if (kty === 'EC') return one.namedCurve === crv
    return kty === 'RSA' ? one.name.startsWith('RSA') : kty === 'OKP' && crv === one.name
  })
  if (algorithm === undefined) throw unusable('its kind or its alg cannot sign an assertion')
  // What else stands in a JWK (key_ops, use) may forbid what the platform is asked for.
  const { x, y, n, e, p, q, dp, dq, qi } = jwk
  const plain = { kty, crv, d, x, y, n, e, p, q, dp, dq, qi }
  const id = typeof kid === 'string' ? kid : undefined
  return async () => importKey('jwk', plain, algorithm, id)
}

function readPkcs8(base64: string): () => Promise<SigningKey> {
  const bytes = Uint8Array.from(atob(base64.replace(/\s/g, '')), (character) => character.charCodeAt(0))
  const start = Array.from(bytes.subarray(0, 40), (byte) => byte.toString(16).padStart(2, '0')).join('')
  const algorithm = ALGORITHMS.find(({ oid }) => oid !== '' && start.includes(oid))
  if (algorithm === undefined) throw unusable('its kind cannot sign an assertion')
  return async () => importKey('pkcs8', bytes, algorithm, undefined)
}

function readPlatformKey(key: PlatformKey): () => Promise<SigningKey> {
  const { name, namedCurve, hash } = key.algorithm as {
    name: string
    namedCurve?: string
    hash?: { name: string }
  }
  const algorithm = ALGORITHMS.find(
    (one) => one.name === name && one.namedCurve === namedCurve && (hash?.name ?? one.hash) === one.hash,
  )
  if (algorithm === undefined || !key.usages.includes('sign')) throw unusable('it may not sign')
  return async () => ({ key, alg: algorithm.alg, kid: undefined })
}

async function importKey(
  format: 'jwk' | 'pkcs8',
  data: object,
  { alg, name, namedCurve, hash }: Algorithm,
  kid: string | undefined,
): Promise<SigningKey> {
  const parameters = { name, ...(namedCurve === undefined ? hash !== '' && { hash } : { namedCurve }) }
  try {
    // One signature of the platform for each format; the data is of the format that is named.
    const key = await crypto.subtle.importKey(format as 'jwk', data as { kty?: string }, parameters, false, [
      'sign',
    ])
    return { key, alg, kid }
  } catch {
    // The platform's own words could hold a part of the key.
    throw unusable('it cannot be read')
  }
}

function isPlatformKey(given: object): given is PlatformKey {
  return 'algorithm' in given && 'usages' in given
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function unusable(why: string): AuthsecError {
  return new AuthsecError('configuration', `the client's key is of no use: ${why}`, {
    hint: 'Give a private key as a JWK or as PKCS #8 in PEM (BEGIN PRIVATE KEY).',
  })
}
