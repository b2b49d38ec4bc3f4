/** What our messages are written with, in the letters that there are for it. */
const SPELLINGS: Readonly<Record<string, string>> = {
  '"': "'",
  '\u2018': "'",
  '\u2019': "'",
  '\u201c': "'",
  '\u201d': "'",
  '\u2026': '...',
  '\u2212': '-',
  '\u00b1': '+/-',
  '\u2013': '-',
}

/**
 * A message as `error_description` may hold it, RFC 6749 §5.2: printable ASCII without the quotation mark and the
 * backslash. What else it holds is named by its code point, as is what `toPrintable` has escaped: `U+0009`.
 */
export function toErrorDescription(text: string): string {
  return text
    .replace(/\\u(?:\{([\da-f]+)\}|([\da-f]{4}))/g, (_, long?: string, short?: string) => name(long ?? short))
    .replace(/[^\x20\x21\x23-\x5b\x5d-\x7e]/gu, (character) => {
      return SPELLINGS[character] ?? name(character.codePointAt(0)?.toString(16))
    })
}

function name(hex = ''): string {
  return `U+${hex.toUpperCase().padStart(4, '0')}`
}
