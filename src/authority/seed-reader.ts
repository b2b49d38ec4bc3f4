import { AuthsecError } from '../core/errors.js'
import { isPermission, parsePermissions } from '../core/permission.js'
import { quote } from '../core/printable.js'
import { isJsonObject, type Json, type JsonObject } from '../core/strict-json.js'
import type { SeedFault } from './seed-faults.js'

/** Reads members of one object of the file; what is wrong becomes a fault and stands in as something harmless. */
export interface SeedReader {
  at: string
  text(name: string): string
  optionalText(name: string): string | undefined
  texts(name: string): string[]
  /** At most 100 permissions; one that is none is a fault of its own. */
  permissions(name: string): string[]
  optionalTexts(name: string): string[] | undefined
  textMap(name: string): Record<string, string> | undefined
  object(name: string): JsonObject | undefined
  wholeNumber(name: string): number | undefined
  yesOrNo(name: string): boolean | undefined
  fault(name: string, why: string): void
  /** Takes a check of the authority's own as a fault instead of an end: of the member it is about, where that is known. */
  check(run: () => unknown, member?: string): void
}

/** Reads an object that stands at a place and may have these members only; undefined: any. */
export function createReader(
  object: JsonObject,
  at: string,
  known: readonly string[] | undefined,
  faults: SeedFault[],
): SeedReader {
  const placeOf = (name: string) => (at === '' ? name : `${at}.${name}`)
  const fault = (name: string, why: string) => {
    faults.push({ at: placeOf(name), why })
  }
  for (const name of Object.keys(object)) {
    if (known !== undefined && !known.includes(name)) fault(name, `is none of ${known.join(', ')}`)
  }
  const read = <T>(name: string, what: string, fits: (value: Json) => value is Json & T): T | undefined => {
    const value = object[name]
    if (value === undefined) return undefined
    if (fits(value)) return value
    fault(name, `is not ${what}`)
    return undefined
  }
  const demand = <T>(name: string, value: T | undefined, instead: T): T => {
    if (value === undefined && object[name] === undefined) fault(name, 'is missing')
    return value ?? instead
  }
  const reader: SeedReader = {
    at,
    optionalText: (name) => read(name, 'a text', isText),
    text: (name) => demand(name, read(name, 'a text', isText), ''),
    optionalTexts: (name) => read(name, 'a list of texts', isTexts),
    texts: (name) => demand(name, read(name, 'a list of texts', isTexts), []),
    permissions(name) {
      const list = reader.texts(name)
      const strangers = list.flatMap((text, index) => (isPermission(text) ? [] : [{ text, index }]))
      for (const { text, index } of strangers) {
        fault(`${name}[${index}]`, `${quote(text)} is not a permission such as billing:read`)
      }
      if (strangers.length === 0) reader.check(() => parsePermissions(list), name)
      return list
    },
    textMap: (name) => read(name, 'an object of texts', isTextMap),
    wholeNumber: (name) => read(name, 'a whole number that is more than 0', isCount),
    object: (name) => read(name, 'an object', isJsonObject),
    yesOrNo: (name) => read(name, 'true or false', (value) => typeof value === 'boolean'),
    fault,
    check(run, member) {
      const place = member === undefined ? at : placeOf(member)
      // What is missing or of the wrong type has been reported already, and better.
      if (faults.some((former) => former.at === place || former.at.startsWith(`${place}.`))) return
      try {
        run()
      } catch (error) {
        if (!AuthsecError.is(error)) throw error
        const { message } = error
        // Most say first which member they mean.
        const [first = ''] = message.split(' ')
        const about = member ?? known?.find((name) => name === first)
        const why = about === first ? message.slice(first.length + 1) : message
        faults.push({ at: about === undefined ? at : placeOf(about), why })
      }
    },
  }
  return reader
}

/** Whether a text can be kept as it is by every store. */
export function isText(value: Json): value is string {
  return typeof value === 'string' && value !== '' && value.isWellFormed() && !value.includes('\0')
}

function isTexts(value: Json): value is string[] {
  return Array.isArray(value) && value.every(isText)
}

function isTextMap(value: Json): value is Record<string, string> {
  return isJsonObject(value) && Object.values(value).every(isText)
}

function isCount(value: Json): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0
}
