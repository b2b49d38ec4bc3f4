import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { Json, JsonObject } from '../core/strict-json.js'

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

/** Reads the first text of a name from a query; throws `invalid_request`. */
export function readQueryString(query: URLSearchParams, name: string): string | undefined {
  return readQueryStrings(query, name)[0]
}

/** Reads every text of a name from a query; throws `invalid_request`. */
export function readQueryStrings(query: URLSearchParams, name: string): string[] {
  return query.getAll(name).map((text) => assertText(name, text))
}

/** Reads a whole number within bounds from a query; throws `invalid_request`. */
export function readQueryInteger(
  query: URLSearchParams,
  name: string,
  { min, max }: { min: number; max: number },
): number | undefined {
  const text = query.get(name)
  if (text === null) return undefined
  const value = /^-?\d{1,15}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= min && value <= max)) {
    throw invalid(`${name} ${quote(text)} is not a whole number between ${min} and ${max}`)
  }
  return value
}

// What no store can give back unchanged is refused before it is asked for or kept.
function assertText(name: string, text: string): string {
  if (!text.isWellFormed() || text.includes('\0')) {
    throw invalid(`${name} ${quote(text)} holds a character that is not text`)
  }
  return text
}

function wrongType(name: string, value: Json, expected: string): AuthsecError {
  return invalid(`${name} ${quote(JSON.stringify(value))} is not ${expected}`)
}

function invalid(message: string): AuthsecError {
  return new AuthsecError('invalid_request', message)
}
