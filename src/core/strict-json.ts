import { AuthsecError } from './errors.js'
import { quote } from './printable.js'

export type Json = null | boolean | number | string | Json[] | JsonObject
export interface JsonObject {
  [member: string]: Json
}

export interface StrictJsonOptions {
  /** How many objects and arrays may stand inside each other. */
  maxDepth?: number
}

/**
 * Parses JSON and refuses what parsers disagree on: a member name used twice (RFC 8259 §4 leaves the
 * meaning open, RFC 8725 §2.4 shows the attack) and bottomless nesting. Throws `invalid_request`.
 */
export function parseStrictJson(text: string, options: StrictJsonOptions = {}): Json {
  // The depth first: JSON.parse itself recurses.
  assertUniqueNames(text, options.maxDepth ?? 32)
  try {
    return JSON.parse(text)
  } catch {
    throw new AuthsecError('invalid_request', 'not valid JSON')
  }
}

/** Parses JSON as `parseStrictJson` does and requires an object. */
export function parseStrictJsonObject(text: string, options?: StrictJsonOptions): JsonObject {
  const value = parseStrictJson(text, options)
  if (!isJsonObject(value)) throw new AuthsecError('invalid_request', 'not a JSON object')
  return value
}

/** Whether a parsed value is an object, not an array and not null. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

// Walks the text once without building values. What is not JSON at all is left for JSON.parse to refuse:
// here only strings, braces and colons matter.
function assertUniqueNames(text: string, maxDepth: number): void {
  const open: (Set<string> | undefined)[] = []
  let index = 0
  while (index < text.length) {
    const code = text.charCodeAt(index)
    switch (code) {
      case 0x22: {
        const end = stringEnd(text, index)
        const names = open.at(-1)
        if (names !== undefined && nextIsColon(text, end)) addName(names, text.slice(index + 1, end - 1))
        index = end
        continue
      }
      case 0x7b:
      case 0x5b:
        open.push(code === 0x7b ? new Set() : undefined)
        if (open.length > maxDepth) {
          throw new AuthsecError('invalid_request', `JSON nested deeper than ${maxDepth}`)
        }
        break
      case 0x7d:
      case 0x5d:
        open.pop()
        break
    }
    index++
  }
}

// A quotation mark ends the string unless an odd number of backslashes stands before it.
function stringEnd(text: string, start: number): number {
  for (let mark = text.indexOf('"', start + 1); mark !== -1; mark = text.indexOf('"', mark + 1)) {
    let backslashes = 0
    while (text.charCodeAt(mark - 1 - backslashes) === 0x5c) backslashes++
    if (backslashes % 2 === 0) return mark + 1
  }
  return text.length
}

function nextIsColon(text: string, from: number): boolean {
  let index = from
  while (isSpace(text.charCodeAt(index))) index++
  return text.charCodeAt(index) === 0x3a
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d
}

function addName(names: Set<string>, content: string): void {
  const name = content.includes('\\') ? unescapeName(content) : content
  if (names.has(name)) {
    throw new AuthsecError('invalid_request', `the JSON member ${quote(name)} stands twice`)
  }
  names.add(name)
}

function unescapeName(content: string): string {
  try {
    return JSON.parse(`"${content}"`)
  } catch {
    return content
  }
}
