import { parseDuration } from './duration.js'
import { AuthsecError } from './errors.js'
import { quote } from './printable.js'

const RELATIVE_UNITS: readonly (readonly [string, number])[] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
]
const RFC_3339 = /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2}))$/
// The years 0000 to 9999 are all that RFC 3339 can write.
const FIRST_INSTANT = Date.parse('0000-01-01T00:00:00.000Z')
const LAST_INSTANT = Date.parse('9999-12-31T23:59:59.999Z')

/**
 * Writes an instant (milliseconds since the epoch) as RFC 3339 in UTC with whole seconds; one outside the years
 * 0000 to 9999, which a claim may well contain, as `@` and its epoch seconds. Never throws.
 */
export function formatTime(epochMs: number): string {
  const seconds = Math.floor(epochMs / 1000)
  if (!(epochMs >= FIRST_INSTANT && epochMs <= LAST_INSTANT)) return `@${seconds}`
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`
}

/** Writes the distance from `nowMs` in words: `in 42 seconds`, `3 minutes ago`, `now`. */
export function formatRelative(epochMs: number, nowMs: number): string {
  const seconds = Math.round((epochMs - nowMs) / 1000)
  const distance = Math.abs(seconds)
  const [unit, size] = RELATIVE_UNITS.find(([, size]) => distance >= size) ?? ['second', 1]
  const count = Math.floor(distance / size)
  if (count === 0) return 'now'
  const words = `${count} ${unit}${count === 1 ? '' : 's'}`
  return seconds > 0 ? `in ${words}` : `${words} ago`
}

/**
 * Reads an instant as milliseconds since the epoch: RFC 3339, epoch seconds in ten digits, or a duration meaning
 * that long before `nowMs`. Throws `usage`.
 */
export function parseTime(text: string, nowMs: number): number {
  const parsed = parseRfc3339(text) ?? parseEpochSeconds(text) ?? parseAge(text, nowMs)
  if (parsed === undefined) {
    throw new AuthsecError('usage', `${quote(text)} is not a time`, {
      hint: 'Write a time as 2026-01-31T09:00:00Z, as epoch seconds, or as an age such as 15m.',
    })
  }
  return parsed
}

function parseRfc3339(text: string): number | undefined {
  const [, date, clock] = RFC_3339.exec(text) ?? []
  if (date === undefined || clock === undefined) return undefined
  // Date.parse reads 30 February as 2 March, and guesses at whatever has no upper-case T.
  const midnight = Date.parse(`${date}T00:00:00Z`)
  const parsed = Date.parse(`${date}T${clock.toUpperCase()}`)
  if (Number.isNaN(parsed) || !formatTime(midnight).startsWith(date)) return undefined
  return parsed
}

// Ten digits are epoch seconds; fewer are a duration, as everywhere else.
function parseEpochSeconds(text: string): number | undefined {
  return /^\d{10}$/.test(text) ? Number(text) * 1000 : undefined
}

function parseAge(text: string, nowMs: number): number | undefined {
  try {
    const instant = nowMs - parseDuration(text) * 1000
    // An age that reaches beyond 1970 is something else that was mistyped, such as epoch milliseconds.
    return instant >= 0 ? instant : undefined
  } catch {
    return undefined
  }
}
