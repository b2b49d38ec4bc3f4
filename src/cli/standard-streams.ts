import { fstatSync, readSync, writeSync } from 'node:fs'
import { lazily } from '../core/lazily.js'
import type { Input, Output, Streams } from './io.js'

/** How much is read at once, in bytes: what a pipe holds. */
const CHUNK_BYTES = 64 * 1024

/**
 * The three streams of this process. Those of Node load all that sockets need, which a short command feels. So
 * files and pipes are read and written without them for as long as the process may block, which nobody notices
 * who has no signal to answer; whatever does not succeed that way is left to them.
 */
export function openStandardStreams(mayBlock: () => boolean): Streams {
  const stdout = lazily(() => openOutput(1, () => process.stdout, mayBlock))
  const stderr = lazily(() => openOutput(2, () => process.stderr, mayBlock))
  return {
    get stdin() {
      return isFileOrPipe(0) && mayBlock() ? BLOCKING_INPUT : process.stdin
    },
    get stdout() {
      return stdout()
    },
    get stderr() {
      return stderr()
    },
  }
}

const BLOCKING_INPUT: Input = {
  isTTY: false,
  async *[Symbol.asyncIterator]() {
    for (;;) {
      const chunk = tryToRead(0)
      if (chunk === undefined) return yield* process.stdin
      if (chunk.length === 0) return
      yield chunk
    }
  },
}

function openOutput(fd: number, open: () => Output, mayBlock: () => boolean): Output {
  if (!isFileOrPipe(fd)) return open()
  const listeners: ((error: Error) => void)[] = []
  let stream: Output | undefined

  function openStream(): Output {
    const opened = open()
    for (const listener of listeners) opened.on('error', listener)
    return opened
  }
  return {
    isTTY: false,
    write(text, done) {
      const bytes = Buffer.from(text)
      // Once the stream has taken something, all else comes after it.
      const written = stream === undefined && mayBlock() ? tryToWrite(fd, bytes) : 0
      if (written < bytes.length || stream !== undefined) {
        stream ??= openStream()
        stream.write(bytes.subarray(written), done)
      } else done?.()
    },
    on(event, listener) {
      if (stream === undefined) listeners.push(listener)
      else stream.on(event, listener)
    },
  }
}

/** Undefined where the bytes would have to be waited for, or cannot be read: the stream waits, and says why. */
function tryToRead(fd: number): Buffer | undefined {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
  try {
    return buffer.subarray(0, readSync(fd, buffer))
  } catch {
    return undefined
  }
}

/** How many of the bytes were written; not all where the reader is gone, or the pipe is full and does not wait. */
function tryToWrite(fd: number, bytes: Buffer): number {
  let written = 0
  try {
    while (written < bytes.length) written += writeSync(fd, bytes, written)
  } catch {
    // The stream meets the same, and tells whoever listens.
  }
  return written
}

// Windows has pipes of another kind.
function isFileOrPipe(fd: number): boolean {
  if (process.platform === 'win32') return false
  try {
    // As big integers: Node 20 looks at the last plain stat of the process, whosever it was, when it resolves the links
    // of a module that it loads next, and gives that up where it was one of a pipe.
    const stats = fstatSync(fd, { bigint: true })
    return stats.isFile() || stats.isFIFO() || stats.isSocket()
  } catch {
    return false
  }
}
