import { formatRelative, formatTime } from '../core/time.js'

/** A second column that is narrower stands below the first instead. */
const MIN_COLUMN = 16

/** Sets pairs in two columns; the second is wrapped to the width. */
export function alignPairs(
  pairs: readonly (readonly [string, string])[],
  width: number = Number.POSITIVE_INFINITY,
): string[] {
  const column = Math.max(0, ...pairs.map(([first]) => first.length)) + 2
  const room = width - column - 2
  return pairs.map(([first, second]) => {
    if (room < MIN_COLUMN) return `${first}\n  ${wrapWords(second, width - 4).join('\n  ')}`.trimEnd()
    return `${first.padEnd(column)}${wrapWords(second, room).join(`\n${' '.repeat(column)}`)}`.trimEnd()
  })
}

/** Sets the lines of a text but the first one below its beginning. */
export function indent(text: string, space: string): string {
  return text.replaceAll('\n', `\n${space}`)
}

/** Breaks text into lines, of which those after the first begin with `space`. */
export function wrapText(text: string, width: number, space: string): string {
  const margin = /^ */.exec(text)?.[0] ?? ''
  const [first = '', ...rest] = wrapWords(
    text.slice(margin.length),
    width - Math.max(margin.length, space.length),
  )
  return [`${margin}${first}`, ...rest.map((line) => `${space}${line}`)].join('\n')
}

/** Breaks text into lines of at most `width` characters; a longer word stands alone. */
export function wrapWords(text: string, width: number): string[] {
  if (text.length <= width) return [text]
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}

/** Of named values those that say something. */
export function keepTold(
  fields: readonly (readonly [name: string, value: string | undefined])[],
): [name: string, value: string][] {
  return fields.flatMap(([name, value]): [string, string][] => (value ? [[name, value]] : []))
}

/** A time out of an answer, for a cell: how long ago for a person, RFC 3339 in UTC for everyone else. */
export function formatWhen(text: string | undefined, nowMs: number, isTerminal: boolean): string {
  const instant = Date.parse(text ?? '')
  if (Number.isNaN(instant)) return text ?? ''
  return isTerminal ? formatRelative(instant, nowMs) : formatTime(instant)
}
