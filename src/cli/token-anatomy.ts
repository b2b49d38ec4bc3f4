import { decodeBase64url } from '../core/base64url.js'
import { AuthsecError } from '../core/errors.js'
import { parseJoseHeader, parseJwt } from '../core/jwt.js'
import { quote } from '../core/printable.js'
import type { JsonObject } from '../core/strict-json.js'

/** What can be read of a token by anybody, whatever it is. Nothing of it is verified. */
export interface Anatomy {
  kind: 'signed' | 'encrypted'
  header: JsonObject
  /** Undefined where there is none to read: in an encrypted token, and in one that holds another token. */
  claims: JsonObject | undefined
  /** The token that a signed one holds, RFC 7519 §5.2. */
  inner: Anatomy | undefined
  /** How long the signature is; an encrypted token has none on its outside. */
  signatureBytes: number | undefined
  /** Header and payload as they stand, each a JSON text or a token. */
  texts: readonly string[]
}

/** The longest token that is taken apart, in characters. */
const MAX_TOKEN_LENGTH = 64 * 1024

const MAX_NESTING = 3
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

/**
 * Takes a compact JWS or JWE apart, also one inside another. Throws `token_malformed` with a hint for whatever is
 * neither, or nested deeper than three times, and names the file where one of several may be meant.
 */
export function dissectToken(token: string, file?: string): Anatomy {
  try {
    return dissect(token, MAX_NESTING)
  } catch (error) {
    if (!AuthsecError.is(error)) throw error
    const { code, message, hint = 'Check that all of the token was copied, and nothing else.' } = error
    const named = file === undefined ? message : `${quote(file, 200)}: ${message}`
    throw new AuthsecError(code, named, { hint, cause: error })
  }
}

function dissect(token: string, nesting: number): Anatomy {
  if (nesting === 0)
    throw new AuthsecError('token_malformed', `more than ${MAX_NESTING} tokens in each other`)
  const parts = token.split('.')
  if (parts.length === 5 && token.length <= MAX_TOKEN_LENGTH) return dissectEncrypted(token)
  if (parts.length === 3 && isNested(parts)) return dissectNested(token, parts, nesting)
  // What verifies takes it for malformed, so it is read with a signature that is thrown away.
  const isSigned = !isUnsecured(parts)
  const { header, claims, signature } = parseJwt(isSigned ? token : `${token}AA`, MAX_TOKEN_LENGTH)
  return {
    kind: 'signed',
    header,
    claims,
    inner: undefined,
    signatureBytes: isSigned ? signature.length : 0,
    texts: parts.slice(0, 2).map(readText),
  }
}

// RFC 7516 §3.1: five parts, of which the second is empty where the key is shared directly.
function dissectEncrypted(token: string): Anatomy {
  const header = parseJoseHeader(token)
  return {
    kind: 'encrypted',
    header,
    claims: undefined,
    inner: undefined,
    signatureBytes: undefined,
    texts: [readText(token.split('.', 1)[0] ?? '')],
  }
}

function dissectNested(
  token: string,
  [header = '', payload = '', signature = '']: string[],
  nesting: number,
) {
  const inner = readText(payload)
  return {
    kind: 'signed',
    header: parseJoseHeader(token),
    claims: undefined,
    inner: dissect(inner, nesting - 1),
    signatureBytes: decodeBase64url(signature).length,
    texts: [readText(header), inner],
  } as const
}

// RFC 7519 §6: the algorithm is none, and nothing stands behind the last dot.
function isUnsecured([header = '', , signature]: readonly string[]): boolean {
  return signature === '' && /^none$/i.test(String(parseJoseHeader(header)['alg']))
}

// A payload that is a token instead of JSON; `cty` should say so, but what it is decides.
function isNested([, payload = '']: readonly string[]): boolean {
  try {
    return /^eyJ[\w-]*\.[\w-]*\.[\w.-]*$/.test(readText(payload))
  } catch {
    return false
  }
}

function readText(part: string): string {
  return utf8.decode(decodeBase64url(part))
}
