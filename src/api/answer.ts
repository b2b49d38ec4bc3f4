import { AuthsecError } from '../core/errors.js'
import { isJsonObject, type Json, type JsonObject } from '../core/strict-json.js'

/** What a member of an answer must be; with `?` it may be missing or null. A missing list is an empty one. */
type Kind = 'text' | 'text?' | 'number' | 'number?' | 'flag' | 'flag?' | 'texts'
type Shape = Readonly<Record<string, Kind>>

interface Values {
  text: string
  'text?': string
  number: number
  'number?': number
  flag: boolean
  'flag?': boolean
  texts: string[]
}

/** An object of the wire whose known members have been checked; what else it holds is kept. */
export type Shaped<S extends Shape> = JsonObject & {
  [Name in keyof S as S[Name] extends `${string}?` ? never : Name]: Values[S[Name]]
} & {
  [Name in keyof S as S[Name] extends `${string}?` ? Name : never]?: Values[S[Name]]
}

/** Checks an object of an answer; throws `server_error` naming `what` and the member that is not as agreed. */
export function readShape<S extends Shape>(value: Json | undefined, shape: S, what: string): Shaped<S> {
  if (!isJsonObject(value)) throw unexpected(`the ${what} is not an object`)
  const result: JsonObject = { ...value }
  for (const [name, kind] of Object.entries(shape)) {
    const member = value[name] ?? undefined
    if (kind === 'texts' && member === undefined) {
      // AuthSec sends null for a list that it could not read.
      result[name] = []
    } else if (kind.endsWith('?') && member === undefined) {
      delete result[name]
    } else if (!isKind(member, kind)) {
      throw unexpected(`the ${what} has no ${name}`)
    }
  }
  return result as Shaped<S>
}

/** Checks a list of such objects; `null` is an empty list. */
export function readShapes<S extends Shape>(value: Json | undefined, shape: S, what: string): Shaped<S>[] {
  if (value === null) return []
  if (!Array.isArray(value)) throw unexpected(`the ${what} list is not an array`)
  return value.map((item) => readShape(item, shape, what))
}

function isKind(value: Json | undefined, kind: Kind): boolean {
  switch (kind) {
    case 'text':
    case 'text?':
      return typeof value === 'string'
    case 'number':
    case 'number?':
      return typeof value === 'number'
    case 'flag':
    case 'flag?':
      return typeof value === 'boolean'
    case 'texts':
      return Array.isArray(value) && value.every((item) => typeof item === 'string')
  }
}

/** That a server has answered, and not as agreed; `message` is a clause. */
export function unexpected(message: string): AuthsecError {
  return new AuthsecError('server_error', `unexpected answer of the server: ${message}`, {
    hint: 'Check that the address is that of an AuthSec server.',
    // It was well enough to answer: it would say the same again.
    retryable: false,
  })
}
