/** The signature algorithms that can be allowed: RFC 7518 §3.1 without HS* and `none`, and RFC 8037. */
export type Algorithm =
  | 'ES256'
  | 'ES384'
  | 'ES512'
  | 'RS256'
  | 'RS384'
  | 'RS512'
  | 'PS256'
  | 'PS384'
  | 'PS512'
  | 'EdDSA'

/** Which keys an algorithm works with, and how it hashes. */
export interface AlgorithmTraits {
  kty: 'EC' | 'RSA' | 'OKP'
  crv?: string
  /** Undefined where the algorithm hashes by itself. */
  digest?: 'sha256' | 'sha384' | 'sha512'
  pss?: boolean
}

/** Every algorithm that can be allowed, with its traits. */
export const ALGORITHMS: ReadonlyMap<string, AlgorithmTraits> = new Map<Algorithm, AlgorithmTraits>([
  ['ES256', { kty: 'EC', crv: 'P-256', digest: 'sha256' }],
  ['ES384', { kty: 'EC', crv: 'P-384', digest: 'sha384' }],
  ['ES512', { kty: 'EC', crv: 'P-521', digest: 'sha512' }],
  ['RS256', { kty: 'RSA', digest: 'sha256' }],
  ['RS384', { kty: 'RSA', digest: 'sha384' }],
  ['RS512', { kty: 'RSA', digest: 'sha512' }],
  ['PS256', { kty: 'RSA', digest: 'sha256', pss: true }],
  ['PS384', { kty: 'RSA', digest: 'sha384', pss: true }],
  ['PS512', { kty: 'RSA', digest: 'sha512', pss: true }],
  ['EdDSA', { kty: 'OKP', crv: 'Ed25519' }],
])

/** Whether a value names an algorithm that can be allowed. */
export function isAlgorithm(value: unknown): value is Algorithm {
  return typeof value === 'string' && ALGORITHMS.has(value)
}
