import type { KeyObject } from 'node:crypto'
import { isModulusLong } from '../core/rsa-signature.js'
import { ALGORITHMS } from './algorithm.js'
import type { PublicKey, Signatures } from './public-key.js'

/**
 * Signatures by Node's own module, which answers at once: WebCrypto takes about three times as long there for the
 * same signature.
 */
export function createNodeSignatures(crypto: typeof import('node:crypto')): Signatures {
  const { RSA_PKCS1_PSS_PADDING: padding, RSA_PSS_SALTLEN_DIGEST: saltLength } = crypto.constants
  return {
    synchronous: true,

    importPublicKey(jwk) {
      try {
        return crypto.createPublicKey({ key: { ...jwk }, format: 'jwk' })
      } catch {
        return undefined
      }
    },

    verify(algorithm, key, signingInput, signature) {
      const traits = ALGORITHMS.get(algorithm)
      const input = Buffer.from(signingInput, 'latin1')
      const keyObject = toKeyObject(key)
      if (traits?.pss && !isModulusLong(signature, keyObject.asymmetricKeyDetails?.modulusLength))
        return false
      const options = traits?.pss
        ? { key: keyObject, padding, saltLength }
        : { key: keyObject, dsaEncoding: 'ieee-p1363' as const }
      return crypto.verify(traits?.digest, input, options, signature)
    },
  }
}

// What `importPublicKey` above has made.
function toKeyObject(key: PublicKey): KeyObject {
  return key as KeyObject
}
