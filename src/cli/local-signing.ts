import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'
import { canonicalJson } from '../core/canonical-json.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { isJsonObject, type JsonObject } from '../core/strict-json.js'

/** A private key of one's own, with the algorithm that it signs by and the name under which its public half is known. */
export interface LocalKey {
  key: KeyObject
  alg: string
  kid: string
}

const CURVES: Readonly<Record<string, string>> = { 'P-256': 'ES256', 'P-384': 'ES384', 'P-521': 'ES512' }
const DIGESTS: Readonly<Record<string, string | undefined>> = {
  ES256: 'sha256',
  ES384: 'sha384',
  ES512: 'sha512',
  RS256: 'sha256',
}
const MIN_RSA_BITS = 2048

/**
 * Reads a private key in PEM or as a JWK. Its id is that of the JWK, otherwise its thumbprint (RFC 7638). Throws `usage`
 * for what is no private key, for a shared secret and for a weak key.
 */
export function parseLocalKey(text: string, path: string): LocalKey {
  const { key, kid } = text.includes('-----BEGIN')
    ? { key: readPem(text, path), kid: undefined }
    : readJwk(text, path)
  const jwk = createPublicKey(key).export({ format: 'jwk' }) as JsonObject
  const bits = key.asymmetricKeyDetails?.modulusLength
  if (bits !== undefined && bits < MIN_RSA_BITS) throw unusable(path, `its ${bits} bits are too few`)
  const alg = jwk['kty'] === 'RSA' ? 'RS256' : jwk['crv'] === 'Ed25519' ? 'EdDSA' : CURVES[String(jwk['crv'])]
  if (alg === undefined) throw unusable(path, `nothing is signed with ${quote(jwk['crv'])}`)
  return { key, alg, kid: kid ?? thumbprint(jwk) }
}

/** Signs a compact JWS, RFC 7515 §3.1. */
export function signLocally({ key, alg, kid }: LocalKey, typ: string, claims: JsonObject): string {
  const input = [{ alg, typ, kid }, claims].map(encodePart).join('.')
  const signature = sign(DIGESTS[alg], Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' })
  return `${input}.${signature.toString('base64url')}`
}

function readPem(text: string, path: string): KeyObject {
  try {
    return createPrivateKey(text)
  } catch (error) {
    throw new AuthsecError('usage', `the PEM in ${quote(path)} holds no private key that can be read`, {
      hint: 'Give an unencrypted private key in PKCS #8, or as a JWK.',
      cause: error,
    })
  }
}

function readJwk(text: string, path: string): { key: KeyObject; kid: string | undefined } {
  try {
    const jwk: unknown = JSON.parse(text)
    if (isJsonObject(jwk) && typeof jwk['d'] === 'string') {
      const key = createPrivateKey({ key: jwk, format: 'jwk' })
      return { key, kid: typeof jwk['kid'] === 'string' ? jwk['kid'] : undefined }
    }
  } catch {
    // The cause would repeat what stands in the file.
  }
  throw unusable(path, 'it is no private key')
}

// RFC 7638 §3.2: the members that are needed, in the order of their names.
function thumbprint({ kty, crv, x, y, n, e }: JsonObject): string {
  const members = kty === 'RSA' ? { e, kty, n } : kty === 'EC' ? { crv, kty, x, y } : { crv, kty, x }
  return createHash('sha256').update(canonicalJson(members)).digest('base64url')
}

function encodePart(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}

function unusable(path: string, why: string): AuthsecError {
  return new AuthsecError('usage', `the key in ${quote(path)} cannot be used: ${why}`, {
    hint: 'Give a private key in PEM or as a JWK: EC, Ed25519, or RSA from 2048 bits.',
  })
}
