/** A text as one word of a POSIX shell, of zsh or of fish. */
export function quoteWord(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`
}

/** Words as one command line of a POSIX shell, each quoted where it has to be. */
export function formatCommandLine(words: readonly string[]): string {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : quoteWord(word))).join(' ')
}
