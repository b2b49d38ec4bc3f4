import { parseCallArguments } from '../core/call-binding.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { Io } from './io.js'

const MAX_DECLARATION_BYTES = 1024 * 1024
// The arguments of a call are 16 KiB at most; what is longer is refused by name.
const MAX_ARGUMENT_BYTES = 64 * 1024

/** Reads what is declared in a file, or on standard input for `-`; throws `not_found` and `usage`. */
export function readDeclaration(io: Io, source: string): Promise<string> {
  return readText(io, source, MAX_DECLARATION_BYTES)
}

/**
 * Reads the arguments of a call as JSON text. They are passed on as they stand, so that what the person wrote is bound,
 * not what we made of it. Throws `not_found`, `usage` and `invalid_request`.
 */
export async function readArguments(io: Io, source: string): Promise<string> {
  const text = await readText(io, source, MAX_ARGUMENT_BYTES)
  parseCallArguments(text)
  return text
}

async function readText(io: Io, source: string, maxBytes: number): Promise<string> {
  if (source === '-') return await io.readInput(maxBytes)
  const { readFile } = await import('node:fs/promises')
  return await readFile(source, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') throw new AuthsecError('not_found', `there is no file ${quote(source)}`)
    throw new AuthsecError('usage', `${quote(source)} cannot be read`, { cause: error })
  })
}
