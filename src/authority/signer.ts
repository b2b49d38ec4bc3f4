import { createHmac, hash, type KeyObject, sign, verify } from 'node:crypto'
import { promisify } from 'node:util'
import type { ParsedJwt } from '../core/jwt.js'
import { limitConcurrency } from './concurrency-limit.js'
import { isSameBytes } from './constant-time.js'
import { assertTokenSize } from './token-size.js'

export type SigningAlgorithm = 'ES256' | 'RS256' | 'EdDSA' | 'HS256'

/** What tells a signature of a key from every other one. */
export interface VerifyingKey {
  /** RFC 7638 thumbprint. */
  kid: string
  alg: SigningAlgorithm
  publicKey: KeyObject
}

/** A key ready for use: parsed once, because parsing costs as much as signing. */
export interface SigningKey extends VerifyingKey {
  /** The same object as `publicKey` for a symmetric key. */
  privateKey: KeyObject
}

/** The keys of one purpose, as they are now. */
export interface SigningKeys {
  /** The one that signs. */
  readonly active: SigningKey
  /** Every one whose tokens the server takes for its own, the active one first. */
  readonly trusted: readonly SigningKey[]
}

/** A compact JWS, and the hash by which the audit log knows it. */
export interface SignedJwt {
  token: string
  /** base64url SHA-256 of the signing input. */
  tokenHash: string
}

// The thread pool has four threads and serves in order: one stays free for the disk, for which commits wait.
const MAX_POOLED = 3

const signPooled = limitConcurrency(MAX_POOLED, promisify<string, Buffer, KeyObject, Buffer>(sign))

/** Signs claims; the algorithm is the key's. Throws as `assertTokenSize` does where nobody would read the token. */
export function signJwt(key: SigningKey, header: object, claims: object): SignedJwt {
  const signingInput = encodeSigningInput(key, header, claims)
  return assemble(signingInput, createSignature(key, Buffer.from(signingInput)), claims)
}

/**
 * Signs claims as `signJwt` does, without holding up everybody else: an RSA signature takes a millisecond and is
 * made on the thread pool, the others take less than the way there.
 */
export async function signToken(key: SigningKey, header: object, claims: object): Promise<SignedJwt> {
  if (key.alg !== 'RS256') return signJwt(key, header, claims)
  const signingInput = encodeSigningInput(key, header, claims)
  const signature = await signPooled('sha256', Buffer.from(signingInput), key.privateKey)
  return assemble(signingInput, signature, claims)
}

/** Whether the signature is this key's; the header's `alg` has to name the key's algorithm and no other. */
export function hasValidSignature(key: SigningKey, { header, signingInput, signature }: ParsedJwt): boolean {
  if (header['alg'] !== key.alg) return false
  const data = Buffer.from(signingInput)
  switch (key.alg) {
    case 'HS256': {
      const expected = createSignature(key, data)
      return isSameBytes(signature, expected)
    }
    case 'ES256':
      return verify('sha256', data, { key: key.publicKey, dsaEncoding: 'ieee-p1363' }, signature)
    case 'RS256':
      return verify('sha256', data, key.publicKey, signature)
    case 'EdDSA':
      return verify(null, data, key.publicKey, signature)
  }
}

/** The key that signed a token whose header does not say which. */
export function findSigner({ trusted }: SigningKeys, parsed: ParsedJwt): SigningKey | undefined {
  return trusted.find((key) => hasValidSignature(key, parsed))
}

/** The hash by which the audit log knows a token: of what is signed, because signatures are malleable. */
export function hashSigningInput(signingInput: string): string {
  return hash('sha256', signingInput, 'base64url')
}

function createSignature({ alg, privateKey }: SigningKey, data: Buffer): Buffer {
  switch (alg) {
    case 'HS256':
      return createHmac('sha256', privateKey).update(data).digest()
    case 'ES256':
      return sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' })
    case 'RS256':
      return sign('sha256', data, privateKey)
    case 'EdDSA':
      return sign(null, data, privateKey)
  }
}

function encodeSigningInput({ alg }: SigningKey, header: object, claims: object): string {
  return `${encodePart({ alg, ...header })}.${encodePart(claims)}`
}

function assemble(signingInput: string, signature: Buffer, claims: object): SignedJwt {
  const token = `${signingInput}.${signature.toString('base64url')}`
  assertTokenSize(token, claims)
  return { token, tokenHash: hashSigningInput(signingInput) }
}

function encodePart(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
