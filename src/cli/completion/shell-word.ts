/** A text as one word of a POSIX shell, of zsh or of fish. */
export function quoteWord(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}
