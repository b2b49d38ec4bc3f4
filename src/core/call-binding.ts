import { decodeBase64url, encodeBase64url } from './base64url.js'
import { canonicalJson } from './canonical-json.js'
import { AuthsecError } from './errors.js'
import type { Sha256 } from './merkle.js'
import { quote } from './printable.js'
import { isJsonObject, type JsonObject, parseStrictJson } from './strict-json.js'

/** What of a call a token can be bound to: the tool's name, or the tool with the arguments of one call. */
export type Binding = 'tool' | 'call'

/** Every binding, as the server announces it. */
export const BINDINGS: readonly Binding[] = ['tool', 'call']

/** The bindings that are asked for; throws `invalid_request` unless they are `tool`, or `tool` and `call`. */
export function parseBindings(names: readonly unknown[]): readonly Binding[] {
  const bindings = BINDINGS.filter((binding) => names.includes(binding))
  if (bindings.includes('tool') && bindings.length === names.length) return bindings
  throw new AuthsecError('invalid_request', `bind ${quote(names)} is neither tool nor tool and call`)
}

/** The `call` claim: which call a token is for, without saying what its arguments are. */
export interface CallHash {
  /** base64url of 128 random bits: short arguments could otherwise be guessed from the hash. */
  salt: string
  /** base64url SHA-256 of the salt and the canonical call. */
  hash: string
}

/** A call as it is bound: at one API, of one tool, with these arguments. */
export interface BoundCall {
  aud: string
  tool: string
  args: JsonObject
}

/** Bytes of salt in a `call` claim. */
export const CALL_SALT_BYTES = 16
/** The longest arguments that a token can be bound to, in bytes of UTF-8, as sent and in canonical form. */
export const MAX_CALL_BYTES: number = 16 * 1024
/** How many objects and arrays of the arguments may stand inside each other, the outermost included. */
export const MAX_CALL_DEPTH = 16

const utf8 = new TextEncoder()

/**
 * Reads the arguments of a call from JSON text. Throws `invalid_request` for whatever two parsers could read
 * differently: duplicate members, integers beyond ±(2^53−1), numbers that are not finite, lone surrogates; and for
 * what is no object, deeper than 16 or larger than 16 KiB. Nothing is normalised, and null is not absent.
 */
export function parseCallArguments(text: string): JsonObject {
  if (utf8.encode(text).length > MAX_CALL_BYTES) throw tooLarge()
  const value = parseArguments(text)
  assertCallArguments(value)
  return value
}

/** Holds arguments that have been parsed already to the limits of `parseCallArguments`; throws `invalid_request`. */
export function assertCallArguments(args: unknown): asserts args is JsonObject {
  encodeArguments(args)
}

/**
 * What is hashed: the salt, then the RFC 8785 bytes of `{v:1, aud, tool, args}`. Throws a `TypeError` as
 * `canonicalJson` does.
 */
export function encodeCall({ aud, tool, args }: BoundCall, salt: Uint8Array): Uint8Array {
  return encodeSalted(salt, { aud, tool, args: canonicalJson(args) })
}

/** The `call` claim of a call whose arguments have been checked. */
export function hashCall(call: BoundCall, salt: Uint8Array, sha256: Sha256): CallHash {
  return { salt: encodeBase64url(salt), hash: encodeBase64url(sha256(encodeCall(call, salt))) }
}

/**
 * Whether a `call` claim is of this call. False for a claim of another form and for arguments that cannot be bound
 * to: nothing here throws because of what a caller sent.
 */
export function matchesCall(claim: unknown, call: BoundCall, sha256: Sha256): boolean {
  if (!isCallHash(claim)) return false
  try {
    const { aud, tool } = call
    const bytes = encodeSalted(decodeBase64url(claim.salt), { aud, tool, args: encodeArguments(call.args) })
    return encodeBase64url(sha256(bytes)) === claim.hash
  } catch {
    return false
  }
}

/** Whether a value has the form of a `call` claim: a salt of 128 bits and a hash of 256, both base64url. */
export function isCallHash(value: unknown): value is CallHash {
  if (!isJsonObject(value) || Object.keys(value).length !== 2) return false
  const { salt, hash } = value as { salt?: unknown; hash?: unknown }
  return (
    typeof salt === 'string' &&
    /^[\w-]{22}$/.test(salt) &&
    typeof hash === 'string' &&
    /^[\w-]{43}$/.test(hash)
  )
}

// The arguments in canonical form, held to their limits on the way: an API does this for every call.
function encodeArguments(args: unknown): string {
  if (!isJsonObject(args)) throw invalid('is not a JSON object')
  // The depth first: what follows recurses, and a circle would never end.
  if (isDeeperThan(args, MAX_CALL_DEPTH)) throw invalid(`is nested deeper than ${MAX_CALL_DEPTH}`)
  const text = canonicalize(args)
  // A UTF-16 code unit becomes three bytes at most: only what might be too large is measured.
  if (text.length > MAX_CALL_BYTES / 3 && utf8.encode(text).length > MAX_CALL_BYTES) throw tooLarge()
  return text
}

// The members of `{v:1, aud, tool, args}` in the order of RFC 8785, around arguments that are canonical already.
function encodeSalted(salt: Uint8Array, { aud, tool, args }: Record<keyof BoundCall, string>): Uint8Array {
  const call = utf8.encode(`{"args":${args},"aud":${canonicalJson(aud)},"tool":${canonicalJson(tool)},"v":1}`)
  const bytes = new Uint8Array(salt.length + call.length)
  bytes.set(salt)
  bytes.set(call, salt.length)
  return bytes
}

function parseArguments(text: string): unknown {
  try {
    return parseStrictJson(text, { maxDepth: MAX_CALL_DEPTH })
  } catch (error) {
    throw invalid(`cannot be read: ${AuthsecError.is(error) ? error.message : 'not JSON'}`)
  }
}

function canonicalize(args: JsonObject): string {
  try {
    return canonicalJson(args)
  } catch (error) {
    if (error instanceof TypeError) {
      throw invalid('holds no JSON, a number that is not finite or beyond ±(2^53−1), or half a character')
    }
    throw error
  }
}

function isDeeperThan(value: unknown, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return depth === 0 || Object.values(value).some((member) => isDeeperThan(member, depth - 1))
}

function tooLarge(): AuthsecError {
  return invalid(`is larger than ${MAX_CALL_BYTES / 1024} KiB`)
}

// Never the arguments themselves: they are in nobody's message and nobody's log.
function invalid(why: string): AuthsecError {
  return new AuthsecError('invalid_request', `call ${why}`, {
    hint: 'A call is a JSON object of arguments; amounts and ids travel as strings.',
  })
}
