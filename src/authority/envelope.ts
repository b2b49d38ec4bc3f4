import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { AuthsecError } from '../core/errors.js'

/** What a sealed value belongs to: it opens nowhere else. */
export interface SealedPlace {
  table: string
  row: string
  purpose: string
}

/** Encrypts what must not lie readable in the store: private keys and base tokens. */
export interface Envelope {
  seal(plain: Uint8Array, place: SealedPlace): Uint8Array
  /** Throws `state_unreadable` when the key-encryption key or the place is another one. */
  open(sealed: Uint8Array, place: SealedPlace): Uint8Array
}

const FORMAT = 1
const KEK_VERSION = 1
const IV_BYTES = 12
const TAG_BYTES = 16
const HEADER_BYTES = 2 + IV_BYTES + TAG_BYTES

/**
 * An envelope of AES-256-GCM: format, version of the key-encryption key, IV, tag, ciphertext. The associated
 * data names store, table, row and purpose, so a value moved elsewhere does not open.
 */
export function createEnvelope(kek: Uint8Array, storeId: string): Envelope {
  return {
    seal(plain, place) {
      const iv = randomBytes(IV_BYTES)
      const cipher = createCipheriv('aes-256-gcm', kek, iv).setAAD(associatedData(storeId, place))
      const ciphertext = Buffer.concat([cipher.update(plain), cipher.final()])
      return Buffer.concat([Buffer.of(FORMAT, KEK_VERSION), iv, cipher.getAuthTag(), ciphertext])
    },

    open(sealed, place) {
      if (sealed[0] !== FORMAT || sealed[1] !== KEK_VERSION || sealed.length < HEADER_BYTES) {
        throw new AuthsecError('state_unreadable', `the sealed ${place.purpose} has an unknown format`)
      }
      const iv = sealed.subarray(2, 2 + IV_BYTES)
      const decipher = createDecipheriv('aes-256-gcm', kek, iv)
        .setAAD(associatedData(storeId, place))
        .setAuthTag(sealed.subarray(2 + IV_BYTES, HEADER_BYTES))
      try {
        return Buffer.concat([decipher.update(sealed.subarray(HEADER_BYTES)), decipher.final()])
      } catch (cause) {
        throw new AuthsecError(
          'state_unreadable',
          `the key-encryption key does not open the ${place.purpose} of this state`,
          {
            hint: 'Put back the file "kek" that was created with this state; nothing has been changed.',
            cause,
          },
        )
      }
    },
  }
}

// Length-prefixed, so that no two places have the same bytes.
function associatedData(storeId: string, { table, row, purpose }: SealedPlace): Buffer {
  const fields = [storeId, table, row, purpose, String(KEK_VERSION)]
  return Buffer.from(fields.map((field) => `${Buffer.byteLength(field)}:${field}`).join(''))
}
