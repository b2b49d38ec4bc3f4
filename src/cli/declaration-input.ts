import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { Io } from './io.js'

const MAX_DECLARATION_BYTES = 1024 * 1024

/** Reads what is declared in a file, or on standard input for `-`; throws `not_found` and `usage`. */
export async function readDeclaration(io: Io, source: string): Promise<string> {
  if (source === '-') return await io.readInput(MAX_DECLARATION_BYTES)
  const { readFile } = await import('node:fs/promises')
  return await readFile(source, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') throw new AuthsecError('not_found', `there is no file ${quote(source)}`)
    throw new AuthsecError('usage', `${quote(source)} cannot be read`, { cause: error })
  })
}
