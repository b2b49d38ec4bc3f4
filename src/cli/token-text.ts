import { formatDuration } from '../core/duration.js'
import { toPrintable } from '../core/printable.js'
import type { JsonObject } from '../core/strict-json.js'
import { describeExpiry } from './claims-text.js'
import { wrapWords } from './columns.js'
import type { Io, Paint } from './io.js'

/** One line of a block: a name with its value, and what the name means. */
export interface Member {
  name: string
  value: string
  meaning?: string | undefined
}

/** Below this width names and values do not stand beside each other. */
const NARROW = 60
const BAR_WIDTH = 20

/**
 * Lays out the members of one part of a token, indented by two. Where there is room names and values are two
 * columns; on a narrow terminal each value has the line below its name. The texts must be printable.
 */
export function layOutMembers(
  members: readonly Member[],
  { isTerminal, columns }: Pick<Io, 'isTerminal' | 'columns'>,
  paint: { name: Paint; meaning: Paint },
): string[] {
  const isNarrow = isTerminal && columns < NARROW
  const column = Math.max(0, ...members.map(({ name }) => name.length))
  const indent = ' '.repeat(isNarrow ? 4 : column + 4)
  return members.flatMap(({ name, value, meaning }) => {
    const explained =
      meaning === undefined
        ? []
        : wrapWords(meaning, Math.max(24, columns - indent.length)).map(
            (line) => `${indent}${paint.meaning(line)}`,
          )
    if (isNarrow) {
      const lines = wrapWords(value, columns - indent.length).map((line) => `${indent}${line}`)
      return [`  ${paint.name(name)}`, ...lines, ...explained]
    }
    const gap = ' '.repeat(column - name.length + 2)
    return [`  ${paint.name(name)}${gap}${value}`.trimEnd(), ...explained]
  })
}

/** How much of its life a token has behind it, as a bar and in words; undefined where its claims do not say. */
export function formatLifetime({ exp, iat, nbf }: JsonObject, nowMs: number): string | undefined {
  const begin = typeof iat === 'number' ? iat : nbf
  if (typeof exp !== 'number' || typeof begin !== 'number' || !(exp > begin)) return undefined
  const used = Math.min(1, Math.max(0, (nowMs / 1000 - begin) / (exp - begin)))
  const filled = Math.floor(used * BAR_WIDTH)
  const bar = `[${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}]`
  const share = `${Math.floor(used * 100)}% of ${formatDuration(exp - begin)} used`
  return `${bar}  ${share}, ${describeExpiry(exp, nowMs)}`
}

/** What can be said about the signature by looking at it. */
export function formatSignature(bytes: number, { alg }: JsonObject): string {
  const made = typeof alg === 'string' ? `, ${toPrintable(alg)}` : ''
  return `${bytes} bytes${made}, not checked`
}
