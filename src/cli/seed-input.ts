import { type Stats, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { Seed } from '../server/index.js'
import { readTextFile } from './text-input.js'

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
    const stats = readStats(file)
    if (!stats.isFile()) throw new AuthsecError('usage', `${quote(file, 200)} is no file`)
    if (process.platform !== 'win32' && (stats.mode & 0o077) !== 0) {
      throw new AuthsecError('usage', `${quote(file, 200)} is open to others: chmod 600 it`)
    }
    // The line break is the editor's, not the password's.
    const password = readTextFile(file, { maxBytes: MAX_PASSWORD_BYTES }).replace(/\r?\n$/, '')
    if (/[\r\n]/.test(password)) {
      throw new AuthsecError('usage', `${quote(file, 200)} has more than one line`)
    }
    return password
  }
  const text = readTextFile(path, { hint: 'authsec help seed says what one holds.' })
  return parseSeed(text, { ...demands, readPassword })
}

function readStats(path: string): Stats {
  try {
    return statSync(path)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new AuthsecError('usage', `${quote(path, 200)} cannot be read (${code})`, { cause })
  }
}
