import type { Algorithm } from './algorithm.js'

/** The public members of a JWK (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2). */
export interface PublicJwk {
  kty: string
  crv?: string
  x?: string
  y?: string
  n?: string
  e?: string
}

/** A public key made ready once, to be used for every token it signed. What it is inside is the runtime's business. */
export type PublicKey = object

/** What a runtime does with public keys. */
export interface Signatures {
  /** Whether `verify` answers at once. */
  readonly synchronous: boolean
  /** Makes a key ready for use; undefined for what is no key, lies off its curve or is too weak, where that shows. */
  importPublicKey(jwk: PublicJwk): PublicKey | undefined
  /** Whether `key` made `signature` over `signingInput` (RFC 7515 §5.2). */
  verify(
    algorithm: Algorithm,
    key: PublicKey,
    signingInput: string,
    signature: Uint8Array,
  ): boolean | Promise<boolean>
}
