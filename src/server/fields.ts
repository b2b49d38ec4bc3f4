import { AuthsecError } from '../core/errors.js'
import { findNearest } from '../core/option-checks.js'
import { quote } from '../core/printable.js'
import { isJsonObject, type Json, type JsonObject } from '../core/strict-json.js'

// The audit record of what is asked repeats its lists, and has to stay within its own bounds.
const MAX_LIST_BYTES = 8 * 1024
// What is sent in confidence is not repeated, whatever it is.
const SECRETS = [
  'auth_req_id',
  'challenge',
  'client_secret',
  'device_code',
  'password',
  'secret_data',
  'secret_id',
  'token',
  'user_code',
]

/** Reads one member of a body as a type; each throws `invalid_request` naming the member. */

export function requireString(body: JsonObject, name: string): string {
  const value = readString(body, name)
  if (value === undefined || value === '') throw invalid(`${name} is required`)
  return value
}

export function readString(body: JsonObject, name: string): string | undefined {
  const value = body[name]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'string') throw wrongType(name, value, 'a string')
  return assertText(name, value)
}

export function readStrings(body: JsonObject, name: string): string[] | undefined {
  const value = body[name]
  if (value === undefined || value === null) return undefined
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) {
    throw wrongType(name, value, 'a list of strings')
  }
  if (Buffer.byteLength(JSON.stringify(value)) > MAX_LIST_BYTES) {
    throw invalid(`${name} is a list of more than ${MAX_LIST_BYTES / 1024} KiB`)
  }
  return (value as string[]).map((item) => assertText(name, item))
}

export function readInteger(body: JsonObject, name: string): number | undefined {
  const value = body[name]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'number' || !Number.isSafeInteger(value))
    throw wrongType(name, value, 'a whole number')
  return value
}

export function readBoolean(body: JsonObject, name: string): boolean | undefined {
  const value = body[name]
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'boolean') throw wrongType(name, value, 'true or false')
  return value
}

/** Nobody says yes, or no, by leaving it out. */
export function requireBoolean(body: JsonObject, name: string): boolean {
  const value = readBoolean(body, name)
  if (value === undefined) throw invalid(`${name} is required`)
  return value
}

export function readObject(body: JsonObject, name: string): JsonObject | undefined {
  const value = body[name]
  if (value === undefined || value === null) return undefined
  if (!isJsonObject(value)) throw wrongType(name, value, 'an object')
  return value
}

export function readStringMap(body: JsonObject, name: string): Record<string, string> | undefined {
  const value = body[name]
  if (value === undefined || value === null) return undefined
  if (
    typeof value !== 'object' ||
    Array.isArray(value) ||
    !Object.values(value).every((item) => typeof item === 'string')
  ) {
    throw wrongType(name, value, 'an object of strings')
  }
  for (const item of Object.values(value)) assertText(name, item as string)
  return value as Record<string, string>
}

/**
 * Throws `invalid_request` for a name that is none of these, of what an admin asks in this toolkit's own contract: a
 * condition that nobody reads would let in too much.
 */
export function assertKnown(
  what: 'parameter of this query' | 'member of this body',
  given: Iterable<string>,
  known: readonly string[],
): void {
  const unknown = [...given].find((name) => !known.includes(name))
  if (unknown === undefined) return
  const nearest = findNearest(unknown, known)
  const names = known.length === 0 ? 'There are none.' : `There are ${known.join(', ')}.`
  throw new AuthsecError('invalid_request', `${quote(unknown)} is no ${what}`, {
    hint: nearest === undefined ? names : `Did you mean ${nearest}?`,
  })
}

/** Reads the one text of a name from a query; throws `invalid_request`, also where it stands twice. */
export function readQueryString(query: URLSearchParams, name: string): string | undefined {
  const [text, ...more] = readQueryStrings(query, name)
  if (more.length > 0) throw invalid(`the parameter ${name} stands twice`)
  return text
}

/** Reads `true` or `false` from a query; throws `invalid_request`. */
export function readQueryBoolean(query: URLSearchParams, name: string): boolean | undefined {
  const text = readQueryString(query, name)
  if (text === undefined) return undefined
  if (text !== 'true' && text !== 'false') throw invalid(`${name} ${quote(text)} is not true or false`)
  return text === 'true'
}

/** Reads every text of a name from a query; throws `invalid_request`. */
export function readQueryStrings(query: URLSearchParams, name: string): string[] {
  return query.getAll(name).map((text) => assertText(name, text))
}

/** Takes the segments of a path for what they are; throws `invalid_request` for one that is not text. */
export function readSegments(params: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  for (const [name, text] of Object.entries(params)) assertText(name, text)
  return params
}

/** Reads a whole number within bounds from a query; throws `invalid_request`. */
export function readQueryInteger(
  query: URLSearchParams,
  name: string,
  { min, max }: { min: number; max: number },
): number | undefined {
  const text = readQueryString(query, name)
  if (text === undefined) return undefined
  const value = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= min && value <= max)) {
    throw invalid(`${name} ${quote(text)} is not a whole number between ${min} and ${max}`)
  }
  return value
}

/** Whether a store can give it back unchanged: what it cannot is refused before it is asked for or kept. */
export function isText(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0')
}

/** The refusal of what is not text, `invalid_request`, which does not repeat it: it may be a password. */
export function notText(name: string): AuthsecError {
  return invalid(`${name} holds a character that is not text`)
}

function assertText(name: string, text: string): string {
  if (!isText(text)) throw notText(name)
  return text
}

function wrongType(name: string, value: Json, expected: string): AuthsecError {
  return invalid(`${SECRETS.includes(name) ? name : `${name} ${quote(value)}`} is not ${expected}`)
}

function invalid(message: string): AuthsecError {
  return new AuthsecError('invalid_request', message)
}
