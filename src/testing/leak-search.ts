import { inspect } from 'node:util'

/** One place where a token stands that should not be there. */
export interface Leak {
  /** Where it was found. */
  place: string
  /** Which of the tokens, counted from 1 in the order they were issued. */
  token: number
}

/** Everything that can be read off a value without its private fields, as text. */
export function describeFully(value: unknown): string {
  const shown = inspect(value, {
    depth: 12,
    showHidden: true,
    getters: true,
    maxArrayLength: null,
    maxStringLength: null,
  })
  return [...collectTexts(value), writeJson(value), shown].join('\n')
}

/**
 * Looks for tokens in a text: for the whole, for what it says, for its signature, and for the whole in other spellings.
 */
export function findLeaks(place: string, text: string, tokens: readonly string[]): Leak[] {
  return tokens.flatMap((token, index) =>
    spellingsOf(token).some((spelling) => text.includes(spelling)) ? [{ place, token: index + 1 }] : [],
  )
}

function spellingsOf(token: string): string[] {
  const [, claims = '', signature = ''] = token.split('.')
  const hex = Buffer.from(token).toString('hex')
  const encoded = ['', '-', '--'].flatMap((before) => encodingsAfter(before, token))
  const all = [token, claims, signature, hex, hex.toUpperCase(), ...encoded]
  return all.filter((spelling) => spelling.length > 20)
}

// Base64 of three bytes is four characters whatever stands around them: what is left of a token in the base64 of a text
// depends on nothing but where in the text it begins.
function encodingsAfter(before: string, token: string): string[] {
  const bytes = Buffer.from(before + token)
  const whole = bytes.subarray(before === '' ? 0 : 3, bytes.length - (bytes.length % 3))
  return [whole.toString('base64'), whole.toString('base64url')]
}

// Every text and every byte within reach, however deep, without what classes say of themselves instead.
function collectTexts(root: unknown): string[] {
  const texts: string[] = []
  const reached = new Set([root])
  for (const value of reached) {
    if (typeof value === 'string' || typeof value === 'symbol') texts.push(String(value))
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null) continue
    const bytes = readBytes(value)
    if (bytes !== undefined) texts.push(bytes.toString('latin1'))
    else for (const member of listMembers(value)) reached.add(member)
  }
  return texts
}

function readBytes(value: object): Buffer | undefined {
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return Buffer.from(value)
  return undefined
}

function* listMembers(value: object): Generator<unknown> {
  if (value instanceof Map) yield* [...value.keys(), ...value.values()]
  if (value instanceof Set) yield* value
  for (const name of Reflect.ownKeys(value)) {
    yield name
    try {
      yield Reflect.get(value, name)
    } catch (error) {
      yield error
    }
  }
}

function writeJson(value: unknown): string {
  const seen = new WeakSet<object>()
  try {
    return (
      JSON.stringify(value, (_key, member: unknown) => {
        if (typeof member === 'bigint') return String(member)
        if (typeof member === 'object' && member !== null) {
          if (seen.has(member)) return '[seen]'
          seen.add(member)
        }
        return member
      }) ?? ''
    )
  } catch (error) {
    // What cannot be written as JSON does not leave by it either; why it cannot is a text that may.
    return String(error)
  }
}
