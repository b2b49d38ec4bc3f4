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

/** What a file should be. */
export interface TextFileKind {
  /** Default that of what is declared. */
  maxBytes?: number
  /** With which one that is larger is refused; default `usage`. */
  code?: ErrorCode
  /** The next step where there is none. */
  hint?: string
}

const CHECK_FILE = 'Check which file was meant.'

/** Reads a file whole. Throws `not_found` where there is none, and what `findTextFile` throws. */
export function readTextFile(path: string, kind: TextFileKind = {}): string {
  const text = findTextFile(path, kind)
  if (text !== undefined) return text
  throw new AuthsecError('not_found', `there is no file ${quote(path, 200)}`, {
    hint: kind.hint ?? CHECK_FILE,
  })
}

/**
 * Reads a file whole; undefined where there is none. Throws `usage`, and for one that is larger than it should be, as a
 * device that never ends, the code of its kind.
 */
export function findTextFile(
  path: string,
  { maxBytes = MAX_DECLARATION_BYTES, code = 'usage' }: TextFileKind = {},
): string | undefined {
  let content: Buffer
  try {
    // The byte behind the last that may be there tells that it is larger: nothing beyond it is read.
    content = readStart(path, maxBytes + 1)
  } catch (cause) {
    const { code: reason } = cause as NodeJS.ErrnoException
    if (reason === 'ENOENT' || reason === 'ENOTDIR') return undefined
    throw new AuthsecError('usage', `${quote(path, 200)} cannot be read (${reason})`, {
      hint: CHECK_FILE,
      cause,
    })
  }
  if (content.length <= maxBytes) return content.toString('utf8')
  throw new AuthsecError(code, `${quote(path, 200)} is larger than ${maxBytes / 1024} KiB`, {
    hint: CHECK_FILE,
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
  return source === '-' ? await io.readInput(maxBytes, 'usage') : readTextFile(source, { maxBytes })
}
