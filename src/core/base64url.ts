import { AuthsecError } from './errors.js'

/**
 * Decodes base64url as RFC 7515 §2 has it: no padding, no white space, no foreign characters, and one
 * spelling only, so the bits beyond the last byte are zero. Throws `token_malformed`.
 */
export function decodeBase64url(text: string): Uint8Array {
  const bytes = hasBuffer() ? decodeBuffer(text) : decodeBinary(text)
  // Every decoder at hand skips or forgives what must be refused, which no encoder writes again.
  if (bytes === undefined || encodeBase64url(bytes) !== text) {
    throw new AuthsecError('token_malformed', 'a part is not base64url')
  }
  return bytes
}

/** Encodes bytes as base64url without padding. */
export function encodeBase64url(bytes: Uint8Array): string {
  if (hasBuffer()) {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url')
  }
  let binary = ''
  for (const byte of bytes) binary += String.fromCharCode(byte)
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')
}

// A browser has none, and what a bundler puts in its place does not know this encoding.
function hasBuffer(): boolean {
  return globalThis.Buffer?.isEncoding('base64url') ?? false
}

// Not the Buffer itself, of which a slice is no copy.
function decodeBuffer(text: string): Uint8Array {
  const { buffer, byteOffset, byteLength } = Buffer.from(text, 'base64url')
  return new Uint8Array(buffer, byteOffset, byteLength)
}

function decodeBinary(text: string): Uint8Array | undefined {
  try {
    const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'))
    const bytes = new Uint8Array(binary.length)
    for (let index = 0; index < bytes.length; index++) bytes[index] = binary.charCodeAt(index)
    return bytes
  } catch {
    return undefined
  }
}
