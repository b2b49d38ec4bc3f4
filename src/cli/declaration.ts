import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { isJsonObject, type Json, type JsonObject, parseStrictJson } from '../core/strict-json.js'
import type { Io } from './io.js'
import { readDeclaration } from './text-input.js'

/** How one kind of thing is declared as JSON. */
export interface Declarable<T> {
  /** What one is called, and several: `a client`, `clients`. */
  one: string
  many: string
  members: readonly string[]
  /** What to write, after what is wrong. */
  hint: string
  /** Reads one; what it throws is told as what is wrong with the declaration. */
  read(declared: Declared): T
}

/** One thing that is declared, by its members. */
export interface Declared {
  has(member: string): boolean
  text(member: string): string
  /** At least one. */
  texts(member: string): string[]
  flag(member: string): boolean
  /** By name. */
  textMap(member: string): Record<string, string>
  /** What is read where the member is there. */
  maybe<T>(member: string, read: (member: string) => T): T | undefined
}

/**
 * Reads what is declared as JSON, one object or a list. Throws `usage` naming the member that is unknown, missing or of
 * the wrong kind: all of it is read before anything is created.
 */
export function parseDeclarations<T>(text: string, kind: Declarable<T>): T[] {
  try {
    const list = [parseStrictJson(text)].flat() as Json[]
    if (list.length === 0) throw wrong(`it declares no ${withoutArticle(kind.one)}`)
    return list.map((item) => {
      if (!isJsonObject(item)) throw wrong(`${kind.one} is not an object`)
      const unknown = Object.keys(item).find((member) => !kind.members.includes(member))
      if (unknown !== undefined) throw wrong(`${quote(unknown)} is not a member of ${kind.one}`)
      return kind.read(createDeclared(item, kind.one))
    })
  } catch (error) {
    const why = AuthsecError.is(error) ? error.message : 'unreadable'
    throw new AuthsecError('usage', `the declaration of ${kind.many} cannot be used: ${why}`, {
      hint: `${kind.hint} Its members are ${kind.members.join(', ')}.`,
      cause: error,
    })
  }
}

/** How one thing is asked for on the command line itself. */
interface ByArgument<T> {
  /** What the argument is: `a client`. */
  what: string
  given: string | undefined
  read(given: string): T
  /** How the command is written with it. */
  usage: string
}

/**
 * What a command is to create: the one that its argument says, or all that a file declares; undefined where neither does
 * and a person can be asked. Throws `usage` for both of them, and for neither where nobody is there, and what
 * `readDeclaration` and `parseDeclarations` throw.
 */
export async function readRequested<T>(
  io: Io,
  kind: Declarable<T>,
  file: string | undefined,
  { what, given, read, usage }: ByArgument<T>,
): Promise<T[] | undefined> {
  if (file !== undefined && given !== undefined) {
    throw new AuthsecError('usage', `${what} is given together with --file`, {
      hint: 'Write it into the file.',
    })
  }
  if (file !== undefined) return parseDeclarations(await readDeclaration(io, file), kind)
  if (given !== undefined) return [read(given)]
  if (io.isInteractive) return undefined
  throw new AuthsecError('usage', `no ${withoutArticle(what)} is given`, {
    hint: `Write ${usage}, or declare ${kind.one} with --file.`,
  })
}

/**
 * Creates one after the other and shows each at once, in JSON the list of them before what a later one is refused for is
 * thrown: it is always known which are there already.
 */
export async function createEach<T, Made>(
  { io, json }: { io: Io; json: boolean },
  declared: readonly T[],
  create: (declared: T) => Promise<Made>,
  describe: (made: Made) => [name: string, value: string][],
): Promise<Made | Made[]> {
  const made: Made[] = []
  try {
    for (const each of declared) {
      const one = await create(each)
      if (!json) io.record(describe(one))
      made.push(one)
    }
  } catch (error) {
    if (json && made.length > 0) io.json<Made[]>(made)
    throw error
  }
  const [first, ...others] = made
  return first !== undefined && others.length === 0 ? first : made
}

function createDeclared(item: JsonObject, one: string): Declared {
  function read<T extends Json>(member: string, what: string, is: (value: Json) => value is T): T {
    const value = item[member]
    if (value === undefined) throw wrong(`${one} has no ${quote(member)}`)
    if (value === '') throw wrong(`${quote(member)} is empty`)
    if (!is(value)) throw wrong(`${quote(member)} is not ${what}`)
    return value
  }
  return {
    has: (member) => item[member] !== undefined,
    text: (member) => read(member, 'a text', isText),
    texts: (member) => read(member, 'a list of texts', isTexts),
    flag: (member) => read(member, 'true or false', (value): value is boolean => typeof value === 'boolean'),
    textMap: (member) => read(member, 'a map of texts', isTextMap),
    maybe: (member, inner) => (item[member] === undefined ? undefined : inner(member)),
  }
}

function isText(value: Json): value is string {
  return typeof value === 'string' && value !== ''
}

function isTexts(value: Json): value is string[] {
  return Array.isArray(value) && value.length > 0 && value.every(isText)
}

function isTextMap(value: Json): value is Record<string, string> {
  return isJsonObject(value) && Object.values(value).every((inner) => typeof inner === 'string')
}

function withoutArticle(what: string): string {
  return what.replace(/^an? /, '')
}

function wrong(why: string): AuthsecError {
  return new AuthsecError('usage', why)
}
