import { readFileSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { AuthsecError } from '../core/errors.js'
import { isOpenToOthers } from '../core/file-mode.js'
import { quote } from '../core/printable.js'
import type { Seed } from '../server/index.js'
import { decodeText } from './decoded-text.js'
import { readTextFile } from './text-file.js'

const MAX_PASSWORD_BYTES = 4 * 1024

/**
 * Reads the file of a seed, and the files with passwords that it names, which lie beside it. Throws `not_found`, and `usage`
 * with all that is wrong with it; what it says never holds a password.
 */
export async function readSeed(
  path: string,
  demands: { admin?: string; delegation?: boolean } = {},
): Promise<Seed> {
  const { parseSeed } = await import('../server/index.js')

  const readPassword = (name: string) => {
    const file = resolve(dirname(path), name)
    const stats = orRefuse(() => statSync(file), file)
    if (!stats.isFile()) throw new AuthsecError('usage', `${quote(file, 200)} is no file`)
    if (isOpenToOthers(stats, process.platform)) {
      throw new AuthsecError('usage', `${quote(file, 200)} is open to others: chmod 600 it`)
    }
    if (stats.size > MAX_PASSWORD_BYTES) {
      throw new AuthsecError('usage', `${quote(file, 200)} is larger than ${MAX_PASSWORD_BYTES / 1024} KiB`)
    }
    // The line break is the editor's, not the password's.
    const password = decodeText(orRefuse(() => readFileSync(file), file)).replace(/\n$/, '')
    if (/[\r\n]/.test(password)) {
      throw new AuthsecError('usage', `${quote(file, 200)} has more than one line`)
    }
    return password
  }
  const text = await readTextFile(path, { hint: 'authsec help seed says what one holds.' })
  return parseSeed(text, { ...demands, readPassword })
}

function orRefuse<T>(read: () => T, path: string): T {
  try {
    return read()
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new AuthsecError('usage', `${quote(path, 200)} cannot be read (${code})`, { cause })
  }
}
