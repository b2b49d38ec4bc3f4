import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'

/** What a sealed value belongs to: it opens nowhere else. */
export interface SealedPlace {
  table: string
  row: string
  purpose: string
}

/** Encrypts what must not lie readable in the store: private keys and base tokens. */
export interface Envelope {
  seal(plain: Uint8Array, place: SealedPlace): Uint8Array
  /** Throws `state_unreadable` for what is damaged, lay elsewhere, or was sealed with another key-encryption key. */
  open(sealed: Uint8Array, place: SealedPlace): Uint8Array
}

const FORMAT = 1
/** The version has one byte. */
export const MAX_KEK_VERSION = 255
const IV_BYTES = 12
const TAG_BYTES = 16
const HEADER_BYTES = 2 + IV_BYTES + TAG_BYTES

/**
 * An envelope of AES-256-GCM: format, version of the key-encryption key, IV, tag, ciphertext. The associated
 * data names store, table, row, purpose and version, so a value moved elsewhere does not open.
 */
export function createEnvelope(kek: Uint8Array, storeId: string, version = 1): Envelope {
  return {
    seal(plain, place) {
      const iv = randomBytes(IV_BYTES)
      const cipher = createCipheriv('aes-256-gcm', kek, iv).setAAD(associatedData(storeId, place, version))
      const ciphertext = Buffer.concat([cipher.update(plain), cipher.final()])
      return Buffer.concat([Buffer.of(FORMAT, version), iv, cipher.getAuthTag(), ciphertext])
    },

    open(sealed, place) {
      if (readKekVersion(sealed) !== version || sealed.length < HEADER_BYTES) throw damaged(place)
      const iv = sealed.subarray(2, 2 + IV_BYTES)
      const decipher = createDecipheriv('aes-256-gcm', kek, iv)
        .setAAD(associatedData(storeId, place, version))
        .setAuthTag(sealed.subarray(2 + IV_BYTES, HEADER_BYTES))
      try {
        return Buffer.concat([decipher.update(sealed.subarray(HEADER_BYTES)), decipher.final()])
      } catch (cause) {
        throw damaged(place, cause)
      }
    },
  }
}

/** With which key-encryption key of its store a value says it is sealed, counted from 1. */
export function readKekVersion(sealed: Uint8Array): number | undefined {
  return sealed[0] === FORMAT ? sealed[1] : undefined
}

// Length-prefixed, so that no two places have the same bytes.
function associatedData(storeId: string, { table, row, purpose }: SealedPlace, version: number): Buffer {
  const fields = [storeId, table, row, purpose, String(version)]
  return Buffer.from(fields.map((field) => `${Buffer.byteLength(field)}:${field}`).join(''))
}

// The key-encryption key itself has been checked before: it is the value that is not as it was.
function damaged({ purpose, row }: SealedPlace, cause?: unknown): AuthsecError {
  return new AuthsecError('state_unreadable', `the ${purpose} ${quote(row)} of this state is damaged`, {
    hint: 'The key-encryption key is the right one, and yet it does not open: restore the state from a backup.',
    cause,
  })
}
