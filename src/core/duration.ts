import { AuthsecError } from './errors.js'
import { quote } from './printable.js'

const UNITS: Readonly<Record<string, number>> = { d: 86_400, h: 3_600, m: 60, s: 1 }
/** Longer than any number of seconds that counts; what comes from outside may be as long as it likes. */
const MAX_LENGTH = 64
const DURATION = /^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/

/**
 * Reads a duration such as `90`, `45s`, `15m` or `2h30m` as whole seconds; throws `usage`.
 */
export function parseDuration(text: string): number {
  const seconds = text.length > MAX_LENGTH ? undefined : /^\d+$/.test(text) ? Number(text) : sumUnits(text)
  if (seconds === undefined || !Number.isSafeInteger(seconds)) {
    throw new AuthsecError('usage', `${quote(text)} is not a duration`, {
      hint: 'Write a duration as 45s, 15m, 2h30m or 7d.',
    })
  }
  return seconds
}

/** Writes whole seconds in the largest units that fit: `formatDuration(5400)` is `1h30m`. */
export function formatDuration(seconds: number): string {
  let rest = Math.abs(Math.round(seconds))
  let text = ''
  for (const [unit, size] of Object.entries(UNITS)) {
    const count = Math.floor(rest / size)
    rest -= count * size
    if (count > 0) text += `${count}${unit}`
  }
  return text === '' ? '0s' : text
}

function sumUnits(text: string): number | undefined {
  const match = DURATION.exec(text)
  if (match === null || text === '') return undefined
  return Object.values(UNITS).reduce((sum, size, index) => sum + size * Number(match[index + 1] ?? 0), 0)
}
