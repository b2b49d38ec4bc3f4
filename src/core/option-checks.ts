import { AuthsecError, type ErrorCode } from './errors.js'
import { quote } from './printable.js'

/** The names of every member that a type has; does not compile while one is missing. */
export type MembersOf<T> = Readonly<Record<keyof T, unknown>>

/**
 * Throws `configuration`, or another code, for options with a member that nobody reads, also one that is there but
 * undefined: it may be a condition somebody relies on.
 */
export function assertMembers<T>(owner: string, given: T, known: MembersOf<T>, code?: ErrorCode): void {
  if (typeof given !== 'object' || given === null) {
    throw new AuthsecError(code ?? 'configuration', `no object is given for ${owner}`)
  }
  for (const name in given) if (!Object.hasOwn(known, name)) throw unknownMember(owner, name, known, code)
}

/** What options are refused with that have a member which there is not. */
export function unknownMember(
  owner: string,
  name: string,
  known: object,
  code: ErrorCode = 'configuration',
): AuthsecError {
  const names = Object.keys(known)
  const nearest = findNearest(name, names)
  return new AuthsecError(code, `${quote(name)} is not a member of ${owner}`, {
    hint: nearest === undefined ? `There are ${names.join(', ')}.` : `Did you mean ${nearest}?`,
  })
}

/** One of several words; throws `configuration` for any other. */
export function readChoice<T extends string>(name: string, value: T, choices: readonly T[]): T {
  if (choices.includes(value)) return value
  throw new AuthsecError('configuration', `${name} ${quote(value)} is not one of ${choices.join(', ')}`)
}

/** The name from which this one differs in the fewest letters, unless that is in most of them. */
export function findNearest(name: string, names: readonly string[]): string | undefined {
  const start = name.slice(0, 40)
  let [nearest, fewest]: [string | undefined, number] = [undefined, 0.5]
  for (const candidate of names) {
    const part = countEdits(start, candidate) / Math.max(start.length, candidate.length)
    if (part <= fewest) [nearest, fewest] = [candidate, part]
  }
  return nearest
}

// How many letters have to be put in, left out or exchanged, by Levenshtein.
function countEdits(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, at) => at)
  for (const letter of from) {
    let [beside, across] = [Infinity, Infinity]
    row = row.map((above, at) => {
      beside = 1 + Math.min(above, beside, across - Number(letter === to[at - 1]))
      across = above
      return beside
    })
  }
  return row.at(-1) as number
}
