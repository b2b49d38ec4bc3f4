import type { FileKey } from '../authority/key-files.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { Io } from './io.js'

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
  return io.readInput(MAX_INPUT_BYTES)
}

/** The text of a file with keys. Throws `not_found`, `usage` and `key_malformed`. */
export async function readKeyFile(path: string): Promise<string> {
  const { open } = await import('node:fs/promises')
  try {
    const file = await open(path)
    try {
      const { size } = await file.stat()
      if (size > MAX_INPUT_BYTES) {
        throw new AuthsecError('key_malformed', `${quote(path)} is larger than ${MAX_INPUT_BYTES / 1024} KiB`)
      }
      return await file.readFile('utf8')
    } finally {
      await file.close()
    }
  } catch (cause) {
    if (AuthsecError.is(cause)) throw cause
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT') throw new AuthsecError('not_found', `there is no file ${quote(path)}`)
    throw new AuthsecError('usage', `${quote(path)} cannot be read (${code})`, { cause })
  }
}
