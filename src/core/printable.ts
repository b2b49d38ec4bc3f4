// C0 and C1 controls, and the characters that reorder text (Unicode bidirectional controls) or hide in it.
// biome-ignore lint/suspicious/noControlCharactersInRegex: finding control characters is the point.
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g

/**
 * Makes text from elsewhere (a claim, a server's answer, a log line) safe to print: characters that could
 * move the cursor, change colours or reorder the line become visible escapes such as `\u001b`.
 */
export function toPrintable(text: string): string {
  return text.replace(UNPRINTABLE, (character) => {
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
}

/** A value as it appears in a message: quoted, printable and at most `limit` characters long. */
export function quote(value: unknown, limit = 60): string {
  const text = typeof value === 'string' ? value : String(value)
  const short = text.length > limit ? `${text.slice(0, limit)}…` : text
  return `"${toPrintable(short)}"`
}
