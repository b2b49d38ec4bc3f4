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
  const whole = text.length - remainder
  let length = 0
  for (let index = 0; index < whole; index += 4) {
    const group = decodeGroup(text, index)
    if (group < 0) throw malformed()
    bytes[length++] = group >> 16
    bytes[length++] = group >> 8
    bytes[length++] = group
  }
  if (remainder > 0) {
    // Filled up with zeros, of which every bit beyond the last byte has to be one.
    const group = decodeGroup(text.slice(whole).padEnd(4, 'A'), 0)
    if (group < 0 || (group & (remainder === 2 ? 0xffff : 0xff)) !== 0) throw malformed()
    bytes[length++] = group >> 16
    if (remainder === 3) bytes[length++] = group >> 8
  }
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

// Four characters as 24 bits; negative when one of them is foreign.
function decodeGroup(text: string, index: number): number {
  const first = text.charCodeAt(index)
  const second = text.charCodeAt(index + 1)
  const third = text.charCodeAt(index + 2)
  const fourth = text.charCodeAt(index + 3)
  if ((first | second | third | fourth) > 127) return -1
  return (
    ((VALUES[first] as number) << 18) |
    ((VALUES[second] as number) << 12) |
    ((VALUES[third] as number) << 6) |
    (VALUES[fourth] as number)
  )
}

function malformed(): AuthsecError {
  return new AuthsecError('token_malformed', 'a part is not base64url')
}
