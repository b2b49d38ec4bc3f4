import { constants, createPublicKey, type KeyObject, verify } from 'node:crypto'
import { ALGORITHMS, type Algorithm } from './algorithm.js'

// The one file of the verifier that knows node:crypto, and it is synchronous on purpose: on Node, WebCrypto
// takes about three times as long for the same signature.

/** A public key made ready once, to be used for every token it signed. */
export type PublicKey = KeyObject

/** The public members of a JWK (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2). */
export interface PublicJwk {
  kty: string
  crv?: string
  x?: string
  y?: string
  n?: string
  e?: string
}

// RFC 7518 §3.3.
const MIN_RSA_BITS = 2048

/** Makes a key ready for use; undefined for what is no key, lies off its curve or is too weak. */
export function importPublicKey(jwk: PublicJwk): PublicKey | undefined {
  try {
    const key = createPublicKey({ key: { ...jwk }, format: 'jwk' })
    const bits = key.asymmetricKeyDetails?.modulusLength
    return bits !== undefined && bits < MIN_RSA_BITS ? undefined : key
  } catch {
    return undefined
  }
}

/** Whether `key` made `signature` over `signingInput` (RFC 7515 §5.2). */
export function verifySignature(
  algorithm: Algorithm,
  key: PublicKey,
  signingInput: string,
  signature: Uint8Array,
): boolean {
  const traits = ALGORITHMS.get(algorithm)
  return verify(
    traits?.digest,
    Buffer.from(signingInput, 'latin1'),
    traits?.pss
      ? { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
      : { key, dsaEncoding: 'ieee-p1363' },
    signature,
  )
}
