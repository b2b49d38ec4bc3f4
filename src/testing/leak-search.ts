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
  return `${writeJson(value)}\n${inspect(value, {
    depth: 12,
    showHidden: true,
    getters: true,
    maxArrayLength: null,
    maxStringLength: null,
  })}`
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
  const bytes = Buffer.from(token)
  const others = [bytes.toString('base64'), bytes.toString('base64url'), bytes.toString('hex')]
  return [token, claims, signature, ...others].filter((spelling) => spelling.length > 20)
}

function writeJson(value: unknown): string {
  const seen = new WeakSet<object>()
  try {
    return (
      JSON.stringify(value, (_key, member: unknown) => {
        if (typeof member === 'bigint') return String(member)
        if (member instanceof Map || member instanceof Set) return [...member]
        if (member instanceof Uint8Array) return new TextDecoder().decode(member)
        if (member instanceof Error)
          return { ...member, message: member.message, stack: member.stack, cause: member.cause }
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
