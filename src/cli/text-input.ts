import { closeSync, openSync, readSync } from 'node:fs'
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
  let content: Buffer
  try {
    // The byte behind the last that may be there tells that it is larger: nothing beyond it is read.
    content = readStart(path, maxBytes + 1)
  } catch (cause) {
    const { code: reason } = cause as NodeJS.ErrnoException
    if (reason === 'ENOENT') throw new AuthsecError('not_found', `there is no file ${quote(path)}`)
    throw new AuthsecError('usage', `${quote(path)} cannot be read (${reason})`, { cause })
  }
  if (content.length <= maxBytes) return content.toString('utf8')
  throw new AuthsecError(code, `${quote(path)} is larger than ${maxBytes / 1024} KiB`, {
    hint: 'Check which file was meant.',
  })
}

// Without a stream, which takes longer to load than a key to read.
function readStart(path: string, length: number): Buffer {
  const content = Buffer.allocUnsafe(length)
  const file = openSync(path, 'r')
  try {
    let size = 0
    for (let read = -1; size < length && read !== 0; size += read)
      read = readSync(file, content, { offset: size })
    return content.subarray(0, size)
  } finally {
    closeSync(file)
  }
}

async function readText(io: Io, source: string, maxBytes: number): Promise<string> {
  return source === '-' ? await io.readInput(maxBytes, 'usage') : await readTextFile(source, maxBytes)
}
