// What nearly all text is made of.
const PLAIN = /^[ -~]*$/

/**
 * Makes text from elsewhere (a claim, a server's answer, a log line) safe to print: characters that could
 * move the cursor, change colours, reorder the line or hide in it become visible escapes such as `\u001b`.
 */
export function toPrintable(text: string): string {
  if (PLAIN.test(text)) return text
  // Whatever does not show itself: controls, separators of lines, halves of surrogate pairs, and every format or
  // default-ignorable character, such as those that reorder text (bidirectional controls) or hide in it (zero
  // width, variation selectors, tags). It stands here because making this set takes a millisecond.
  const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu
  return text.replace(unprintable, (character) => {
    const code = (character.codePointAt(0) as number).toString(16)
    return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, '0')}`
  })
}

/** A value as it appears in a message: quoted, printable and cut after `limit` characters. */
export function quote(value: unknown, limit = 60): string {
  const text = describeValue(value)
  return `"${toPrintable(text.length > limit ? `${cutText(text, limit)}…` : text)}"`
}

// Objects are written as JSON: String() would call a `toString` that parsed JSON may well contain.
function describeValue(value: unknown): string {
  if (typeof value === 'object') return JSON.stringify(value)
  return String(value)
}

function cutText(text: string, limit: number): string {
  const short = text.slice(0, limit)
  return /[\ud800-\udbff]$/.test(short) ? short.slice(0, -1) : short
}
