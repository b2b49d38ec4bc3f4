import { toPrintable } from '../core/printable.js'

/** JSON whose texts cannot reach the terminal: what is not printable is escaped, so nothing is lost. */
export function formatJson(value: unknown, indent?: number): string {
  return escapeJson(JSON.stringify(value, null, indent))
}

/** The same for JSON that is text already: it stays as it is but for what is not printable. */
export function escapeJson(text: string): string {
  const lines = text.split('\n')
  return lines.map((line) => (toPrintable(line) === line ? line : escapeUnits(line))).join('\n')
}

function escapeUnits(text: string): string {
  return Array.from(text, (character) => {
    if (toPrintable(character) === character) return character
    const units = Array.from({ length: character.length }, (_, index) => character.charCodeAt(index))
    return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('')
  }).join('')
}
