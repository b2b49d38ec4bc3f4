import type { FileKey } from '../authority/key-files.js'
import { quote } from '../core/printable.js'
import type { Io } from './io.js'
import { readTextFile } from './text-file.js'

// A key set of a hundred RSA keys with all their parts is a tenth of it.
const MAX_INPUT_BYTES = 1024 * 1024

/** Reads the keys of a file, or of standard input for `-`. Throws `not_found`, `usage` and `key_malformed`. */
export async function readKeys(io: Io, source: string): Promise<FileKey[]> {
  const text = source === '-' ? await readStandardInput(io) : await readKeyFile(source)
  const { parseKeys } = await import('../authority/key-files.js')
  return parseKeys(text, source === '-' ? 'standard input' : quote(source))
}

async function readStandardInput(io: Io): Promise<string> {
  if (io.isInputTerminal) io.note('paste the key and end with Ctrl-D')
  return io.readInput(MAX_INPUT_BYTES, 'key_malformed')
}

/** The text of a file with keys. Throws `not_found`, `usage` and `key_malformed`. */
export function readKeyFile(path: string): Promise<string> {
  return readTextFile(path, {
    maxBytes: MAX_INPUT_BYTES,
    code: 'key_malformed',
    hint: 'authsec keys generate --out FILE makes a key.',
  })
}
