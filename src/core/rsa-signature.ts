/**
 * Whether an RSA signature is as long as the modulus of so many bits (RFC 8017 §8.1.2). Of PSS, Node also takes one that
 * lacks the zeros at its beginning: a second spelling of the same token.
 */
export function isModulusLong(signature: Uint8Array, modulusBits = 0): boolean {
  return signature.length === Math.ceil(modulusBits / 8)
}
