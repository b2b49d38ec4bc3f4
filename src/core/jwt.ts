import { decodeBase64url } from './base64url.js'
import { AuthsecError } from './errors.js'
import { type Json, type JsonObject, parseStrictJsonObject } from './strict-json.js'

/** A compact JWS taken apart. Nothing here has been verified. */
export interface ParsedJwt {
  header: JsonObject
  claims: JsonObject
  /** What the signature covers: the first two parts with their dot, RFC 7515 §5.1. */
  signingInput: string
  signature: Uint8Array
}

/** Whether a claim is a NumericDate, RFC 7519 §2: seconds since the epoch, which may have a fraction. */
export function isNumericDate(claim: Json | undefined): claim is number {
  return typeof claim === 'number' && Number.isFinite(claim)
}

/** The longest token that any part of the project reads, in characters. */
export const MAX_JWT_LENGTH = 8192

// A byte order mark stays in the text, where JSON does not allow it: skipping it would be a second spelling.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * Takes a compact JWS apart (RFC 7515 §7.1) and refuses every second spelling of it: padding, spaces,
 * duplicate members, invalid UTF-8, an empty signature. Throws `token_malformed`; no message repeats the token.
 */
export function parseJwt(token: string, maxLength: number = MAX_JWT_LENGTH): ParsedJwt {
  assertJwtLength(token, maxLength)
  const parts = token.split('.')
  const [header, payload, signature] = parts
  if (parts.length !== 3 || !header || !payload || !signature) {
    throw new AuthsecError('token_malformed', describeShape(token, parts.length), {
      hint: 'A JWT is three base64url parts joined by dots.',
    })
  }
  return {
    header: parsePart('header', header),
    claims: parsePart('payload', payload),
    signingInput: token.slice(0, header.length + 1 + payload.length),
    signature: parseSignature(signature),
  }
}

/** Throws `token_malformed` for a token that is too long to be looked at. */
export function assertJwtLength(token: string, maxLength: number = MAX_JWT_LENGTH): void {
  if (token.length <= maxLength) return
  throw new AuthsecError(
    'token_malformed',
    `the token has ${token.length} characters, more than ${maxLength}`,
    { hint: 'A delegation token is well under 2 kB: check what was passed in.' },
  )
}

/** Reads the header of any compact JOSE object, RFC 7515 §3.1 and RFC 7516 §3.1; throws `token_malformed`. */
export function parseJoseHeader(token: string): JsonObject {
  return parsePart('header', token.split('.', 1)[0] ?? '')
}

/** What a token says of itself, which nobody has verified; nothing where it cannot be read. */
export function peekClaims(token: string): JsonObject {
  try {
    return parseJwt(token).claims
  } catch {
    return {}
  }
}

function describeShape(token: string, parts: number): string {
  if (token === '') return 'the token is empty'
  if (parts === 5) return 'the token is encrypted (five parts), not a signed JWT'
  if (parts === 3) return 'the token has an empty part'
  return `not a JWT: ${parts} ${parts === 1 ? 'part' : 'parts'} instead of three`
}

function parsePart(name: 'header' | 'payload', text: string): JsonObject {
  try {
    return parseStrictJsonObject(utf8.decode(decodeBase64url(text)))
  } catch (error) {
    const why = AuthsecError.is(error) ? error.message : 'not valid UTF-8'
    throw new AuthsecError('token_malformed', `the ${name} of the token is unreadable: ${why}`)
  }
}

function parseSignature(text: string): Uint8Array {
  try {
    return decodeBase64url(text)
  } catch {
    throw new AuthsecError('token_malformed', 'the signature of the token is not base64url')
  }
}
