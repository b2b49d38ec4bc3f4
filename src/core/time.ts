import { parseDuration } from './duration.js'
import { AuthsecError } from './errors.js'
import { quote } from './printable.js'

const RELATIVE_UNITS: readonly (readonly [string, number])[] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
]
const RFC_3339 = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:[Zz]|[+-]\d{2}:\d{2})$/

/** Writes an instant (milliseconds since the epoch) as RFC 3339 in UTC with whole seconds. */
export function formatTime(epochMs: number): string {
  return `${new Date(Math.floor(epochMs / 1000) * 1000).toISOString().slice(0, 19)}Z`
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
 * Reads an instant as milliseconds since the epoch: RFC 3339, epoch seconds, or a duration meaning that long
 * before `nowMs`. Throws `usage`.
 */
export function parseTime(text: string, nowMs: number): number {
  if (RFC_3339.test(text)) {
    const parsed = Date.parse(text)
    if (!Number.isNaN(parsed)) return parsed
  }
  // Ten digits are epoch seconds; fewer are a duration, as everywhere else.
  if (/^\d{10}$/.test(text)) return Number(text) * 1000
  try {
    return nowMs - parseDuration(text) * 1000
  } catch {
    throw new AuthsecError('usage', `${quote(text)} is not a time`, {
      hint: 'Write a time as 2026-01-31T09:00:00Z, as epoch seconds, or as an age such as 15m.',
    })
  }
}
