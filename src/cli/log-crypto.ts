import { createPublicKey, hash, verify } from 'node:crypto'
import type { VerifySignature } from '../core/checkpoint.js'
import { readHashText, type Sha256 } from '../core/merkle.js'

export const sha256: Sha256 = (bytes) => readHashText(hash('sha256', bytes, 'binary'))

/** Ed25519, RFC 8032; a key that is no point of the curve has signed nothing. */
export const verifyEd25519: VerifySignature = (publicKey, message, signature) => {
  const x = Buffer.from(publicKey).toString('base64url')
  try {
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
    return verify(null, message, key, signature)
  } catch {
    return false
  }
}
