import { createPublicKey, hash, sign, verify } from 'node:crypto'
import {
  createVerifierKey,
  formatHead,
  formatNote,
  formatVerifierKey,
  type LogHead,
  type NoteSignature,
  type VerifierKey,
  type VerifySignature,
} from '../../core/checkpoint.js'
import { readHashText, type Sha256 } from '../../core/merkle.js'
import type { StoredKey } from '../../store/store.js'
import type { SigningKey, VerifyingKey } from '../signer.js'

export const sha256: Sha256 = (bytes) => readHashText(hash('sha256', bytes, 'binary'))

/** Ed25519 over the bytes of a note. */
export const verifyEd25519: VerifySignature = (publicKey, message, signature) => {
  const x = Buffer.from(publicKey).toString('base64url')
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  return verify(null, message, key, signature)
}

/** A key of the log as those know it who check what it signs; its name is the origin of the log. */
export function toVerifierKey({ publicKey }: Pick<VerifyingKey, 'publicKey'>, origin: string): VerifierKey {
  const { x = '' } = publicKey.export({ format: 'jwk' })
  return createVerifierKey(origin, new Uint8Array(Buffer.from(x, 'base64url')), sha256)
}

/** The same of a key as it is stored, as `name+id+key`. */
export function nameVerifierKey({ publicJwk = '{}' }: Pick<StoredKey, 'publicJwk'>, origin: string): string {
  const { x } = JSON.parse(publicJwk) as { x: string }
  return formatVerifierKey(createVerifierKey(origin, new Uint8Array(Buffer.from(x, 'base64url')), sha256))
}

/** Signs a head with every key that is given. */
export function signHead(head: LogHead, keys: readonly SigningKey[]): string {
  const text = formatHead(head)
  const signatures = keys.map((key): NoteSignature => {
    const { name, keyId } = toVerifierKey(key, head.origin)
    return { name, keyId, signature: sign(null, Buffer.from(text), key.privateKey) }
  })
  return formatNote(text, signatures)
}
