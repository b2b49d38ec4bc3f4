import { formatRelative, formatTime } from '../core/time.js'

/** Sets pairs in two columns; the second is wrapped to the width. */
export function alignPairs(
  pairs: readonly (readonly [string, string])[],
  width: number = Number.POSITIVE_INFINITY,
): string[] {
  const column = Math.max(0, ...pairs.map(([first]) => first.length)) + 2
  return pairs.map(([first, second]) => {
    const lines = wrapWords(second, Math.max(24, width - column - 2))
    return `${first.padEnd(column)}${lines.join(`\n${' '.repeat(column)}`)}`.trimEnd()
  })
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

/** A time out of an answer, for a cell: how long ago for a person, RFC 3339 in UTC for everyone else. */
export function formatWhen(text: string | undefined, nowMs: number, isTerminal: boolean): string {
  const instant = Date.parse(text ?? '')
  if (Number.isNaN(instant)) return text ?? ''
  return isTerminal ? formatRelative(instant, nowMs) : formatTime(instant)
}
