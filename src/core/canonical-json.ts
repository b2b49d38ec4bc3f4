// Strings that stand between the quotes as they are: by far the most, and by far the cheapest this way.
const PLAIN = /^[ !#-[\]-~]*$/

/**
 * Writes a value as RFC 8785 has it: members sorted by UTF-16 code units, no white space, numbers and
 * strings as ECMAScript writes them. Members whose value is `undefined` are left out.
 *
 * Throws a `TypeError` for what JSON cannot carry: non-finite numbers, integers beyond ±(2^53−1), lone
 * surrogates, and anything that is not a plain value.
 */
export function canonicalJson(value: unknown): string {
  switch (typeof value) {
    case 'string':
      if (PLAIN.test(value)) return `"${value}"`
      if (!value.isWellFormed()) throw new TypeError('a string with a lone surrogate has no canonical form')
      return JSON.stringify(value)
    case 'number':
      if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) {
        throw new TypeError(`${value} has no canonical form`)
      }
      return JSON.stringify(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object':
      if (value === null) return 'null'
      // Array.from, unlike map, does not skip the holes of a sparse array: they are refused as undefined.
      if (Array.isArray(value)) return `[${Array.from(value, canonicalJson).join(',')}]`
      if (!isPlainObject(value)) throw new TypeError('an instance of a class has no canonical form')
      return canonicalObject(value as Record<string, unknown>)
    default:
      throw new TypeError(`a ${typeof value} has no canonical form`)
  }
}

function canonicalObject(object: Record<string, unknown>): string {
  let members = ''
  for (const name of sortNames(Object.keys(object))) {
    const value = object[name]
    if (value === undefined) continue
    const separator = members === '' ? '' : ','
    members += `${separator}${canonicalJson(name)}:${canonicalJson(value)}`
  }
  return `{${members}}`
}

// By UTF-16 code units, which is how RFC 8785 §3.2.3 and the default sort compare. Names that are in order already, as
// those of most of our own objects, are left as they are.
function sortNames(names: string[]): string[] {
  const isSorted = names.every((name, index) => index === 0 || (names[index - 1] as string) < name)
  return isSorted ? names : names.sort()
}

// By its place in the prototype chain, so that an object of another realm counts as well.
function isPlainObject(value: object): boolean {
  const prototype = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}
