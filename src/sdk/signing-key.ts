import { encodeBase64url } from '../core/base64url.js'
import type { Clock } from './clock.js'
import type { ClientProof } from './credentials.js'
import { type PlatformKey, type PrivateJwk, type PrivateKey, unusableKey } from './private-key.js'

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
const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'
const utf8 = new TextEncoder()

/** Imports a private key. Rejects with `configuration` for what cannot sign an assertion, and never repeats any of it. */
export async function importSigningKey(given: PrivateKey): Promise<SigningKey> {
  if ('pkcs8' in given) return importPkcs8(given.pkcs8)
  return 'jwk' in given ? importJwk(given.jwk) : describePlatformKey(given.key)
}

/** Proves by its key who a client is, to one server and for one request (RFC 7523 §2.2). */
export async function proveByKey(
  key: SigningKey,
  { clientId, audience, clock }: { clientId: string; audience: string; clock: Clock },
): Promise<ClientProof> {
  const now = Math.floor(clock.wall() / 1000)
  const claims = {
    iss: clientId,
    sub: clientId,
    aud: audience,
    iat: now,
    exp: now + 60,
    jti: crypto.randomUUID(),
  }
  return {
    form: { client_assertion_type: ASSERTION_TYPE, client_assertion: await signAssertion(key, claims) },
  }
}

// RFC 7515 §7.1.
async function signAssertion({ key, alg, kid }: SigningKey, claims: object): Promise<string> {
  const header = { alg, typ: 'JWT', ...(kid !== undefined && { kid }) }
  const input = [header, claims].map((part) => encodeBase64url(utf8.encode(JSON.stringify(part)))).join('.')
  const { name, hash } = ALGORITHMS.find((algorithm) => algorithm.alg === alg) as Algorithm
  const signature = await crypto.subtle.sign({ name, hash, saltLength: 32 }, key, utf8.encode(input))
  return `${input}.${encodeBase64url(new Uint8Array(signature))}`
}

async function importJwk(jwk: PrivateJwk): Promise<SigningKey> {
  const { kty, crv, d, alg, kid, x, y, n, e, p, q, dp, dq, qi } = jwk
  const algorithm = ALGORITHMS.find((one) => {
    if (alg !== undefined && alg !== one.alg && !(alg === 'Ed25519' && one.alg === 'EdDSA')) return false
    if (kty === 'EC') return one.namedCurve === crv
    return kty === 'RSA' ? one.name.startsWith('RSA') : kty === 'OKP' && crv === one.name
  })
  if (algorithm === undefined) throw unusableKey('its kind or its alg cannot sign an assertion')
  // What else stands in a JWK (key_ops, use) may forbid what the platform is asked for.
  const plain = { kty, crv, d, x, y, n, e, p, q, dp, dq, qi }
  return importKey('jwk', plain, algorithm, typeof kid === 'string' ? kid : undefined)
}

async function importPkcs8(base64: string): Promise<SigningKey> {
  const bytes = decodeBase64(base64)
  const start = Array.from(bytes.subarray(0, 40), (byte) => byte.toString(16).padStart(2, '0')).join('')
  const algorithm = ALGORITHMS.find(({ oid }) => oid !== '' && start.includes(oid))
  if (algorithm === undefined) throw unusableKey('its kind cannot sign an assertion')
  return importKey('pkcs8', bytes, algorithm, undefined)
}

function decodeBase64(base64: string): Uint8Array {
  try {
    return Uint8Array.from(atob(base64.replace(/\s/g, '')), (character) => character.charCodeAt(0))
  } catch {
    throw unusableKey('it cannot be read')
  }
}

function describePlatformKey(key: PlatformKey): SigningKey {
  const { name, namedCurve, hash } = key.algorithm as {
    name: string
    namedCurve?: string
    hash?: { name: string }
  }
  const algorithm = ALGORITHMS.find(
    (one) => one.name === name && one.namedCurve === namedCurve && (hash?.name ?? one.hash) === one.hash,
  )
  if (algorithm === undefined) throw unusableKey('its kind cannot sign an assertion')
  return { key, alg: algorithm.alg, kid: undefined }
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
    throw unusableKey('it cannot be read')
  }
}
