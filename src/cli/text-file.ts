import { closeSync, createReadStream, openSync, readSync, statSync } from 'node:fs'
import { AuthsecError, type ErrorCode } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { decodeText } from './decoded-text.js'

/** How long a file may be that holds what somebody has written, such as a declaration. */
export const MAX_TEXT_BYTES: number = 1024 * 1024

const PIECE_BYTES = 64 * 1024

/** What a file should be. */
export interface TextFileKind {
  /** Default `MAX_TEXT_BYTES`. */
  maxBytes?: number
  /** With which one that is larger is refused; default `usage`. */
  code?: ErrorCode
  /** The next step where there is none. */
  hint?: string
}

const CHECK_FILE = 'Check which file was meant.'

/** Reads a file whole. Throws `not_found` where there is none, and what `findTextFile` throws. */
export async function readTextFile(path: string, kind: TextFileKind = {}): Promise<string> {
  const text = await findTextFile(path, kind)
  if (text !== undefined) return text
  throw new AuthsecError('not_found', `there is no file ${quote(path, 200)}`, {
    hint: kind.hint ?? CHECK_FILE,
  })
}

/**
 * Reads a file whole; undefined where there is none. Throws `usage`, and for one that is larger than it should be, as a
 * device that never ends, the code of its kind.
 */
export async function findTextFile(
  path: string,
  { maxBytes = MAX_TEXT_BYTES, code = 'usage' }: TextFileKind = {},
): Promise<string | undefined> {
  let content: Buffer
  try {
    content = await readStart(path, maxBytes)
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? ''
    if (['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'].includes(reason)) return undefined
    throw new AuthsecError('usage', `${quote(path, 200)} cannot be read (${reason})`, {
      hint: CHECK_FILE,
      cause,
    })
  }
  if (content.length <= maxBytes) return decodeText(content)
  throw new AuthsecError(code, `${quote(path, 200)} is larger than ${maxBytes / 1024} KiB`, {
    hint: CHECK_FILE,
  })
}

/** Reads so many bytes of a file, and the one behind them, which tells that it is larger: nothing beyond it is read. */
export async function readStart(path: string, maxBytes: number): Promise<Buffer> {
  if (statSync(path).isFile()) return readAtOnce(path, maxBytes + 1)
  // Nobody could end a command that waits for a pipe in a call that blocks: the signals would wait as well.
  const { buffer } = await import('node:stream/consumers')
  return buffer(createReadStream(path, { end: maxBytes }))
}

// Without a stream, which takes longer to load than a key to read.
function readAtOnce(path: string, length: number): Buffer {
  const pieces: Buffer[] = []
  const file = openSync(path, 'r')
  try {
    for (let left = length; left > 0; ) {
      const piece = Buffer.allocUnsafe(Math.min(left, PIECE_BYTES))
      const size = readSync(file, piece)
      if (size === 0) break
      pieces.push(piece.subarray(0, size))
      left -= size
    }
    return Buffer.concat(pieces)
  } finally {
    closeSync(file)
  }
}
