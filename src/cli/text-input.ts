import { parseCallArguments } from '../core/call-binding.js'
import { AuthsecError, type ErrorCode } from '../core/errors.js'
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

/**
 * Reads a file whole. Throws `not_found`, `usage`, and for one that is larger than `maxBytes`, as a device that never ends,
 * the code of what it should be.
 */
export async function readTextFile(
  path: string,
  maxBytes: number = MAX_DECLARATION_BYTES,
  code: ErrorCode = 'usage',
): Promise<string> {
  const { createReadStream } = await import('node:fs')
  const chunks: Buffer[] = []
  try {
    // The byte behind the last that may be there tells that it is larger: nothing beyond it is read.
    for await (const chunk of createReadStream(path, { end: maxBytes })) chunks.push(chunk)
  } catch (cause) {
    const { code: reason } = cause as NodeJS.ErrnoException
    if (reason === 'ENOENT') throw new AuthsecError('not_found', `there is no file ${quote(path)}`)
    throw new AuthsecError('usage', `${quote(path)} cannot be read (${reason})`, { cause })
  }
  const content = Buffer.concat(chunks)
  if (content.length <= maxBytes) return content.toString('utf8')
  throw new AuthsecError(code, `${quote(path)} is larger than ${maxBytes / 1024} KiB`, {
    hint: 'Check which file was meant.',
  })
}

async function readText(io: Io, source: string, maxBytes: number): Promise<string> {
  return source === '-' ? await io.readInput(maxBytes, 'usage') : await readTextFile(source, maxBytes)
}
