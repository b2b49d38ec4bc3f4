import { AuthsecError } from './errors.js'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const VALUES = new Int8Array(128).fill(-1)
for (let value = 0; value < 64; value++) VALUES[ALPHABET.charCodeAt(value)] = value

/**
 * Decodes base64url as RFC 7515 §2 has it: no padding, no white space, no foreign characters, and one
 * spelling only, so the bits beyond the last byte are zero. Throws `token_malformed`.
 *
 * Written out because every decoder at hand (`Buffer`, `atob`) skips or forgives what must be refused.
 */
export function decodeBase64url(text: string): Uint8Array {
  const remainder = text.length % 4
  if (remainder === 1) throw malformed()

  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4))
  let accumulator = 0
  let bits = 0
  let length = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    const value = code < 128 ? (VALUES[code] as number) : -1
    if (value < 0) throw malformed()
    accumulator = ((accumulator << 6) | value) & 0xffff
    bits += 6
    if (bits >= 8) {
      bits -= 8
      bytes[length++] = (accumulator >> bits) & 0xff
    }
  }
  if ((accumulator & ((1 << bits) - 1)) !== 0) throw malformed()
  return bytes
}

/** Encodes bytes as base64url without padding. */
export function encodeBase64url(bytes: Uint8Array): string {
  let text = ''
  for (let index = 0; index < bytes.length; index += 3) {
    const rest = bytes.length - index
    const group = ((bytes[index] as number) << 16) | ((bytes[index + 1] ?? 0) << 8) | (bytes[index + 2] ?? 0)
    text += ALPHABET[group >> 18]
    text += ALPHABET[(group >> 12) & 63]
    if (rest > 1) text += ALPHABET[(group >> 6) & 63]
    if (rest > 2) text += ALPHABET[group & 63]
  }
  return text
}

function malformed(): AuthsecError {
  return new AuthsecError('token_malformed', 'a part is not base64url')
}
