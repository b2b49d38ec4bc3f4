import { open } from 'node:fs/promises'
import { toWriteFailure } from './write-failure.js'

/** A file to which lines are appended. */
export interface LineFile {
  /** The last line that was there before. */
  readonly lastLine: string | undefined
  line(text: string): void
  /** Writes all of what has been collected, durably; throws `configuration` where that cannot be. */
  flush(): Promise<void>
  close(): Promise<void>
}

const TAIL_BYTES = 256 * 1024

/** Opens a file to append to it (0600 where it is new); half a line, as a crash leaves it, is cut off first. */
export async function openLineFile(path: string): Promise<LineFile> {
  const file = await open(path, 'a+', 0o600).catch((error) => {
    throw toWriteFailure(path, error)
  })
  const { size } = await file.stat()
  const start = Math.max(0, size - TAIL_BYTES)
  const { buffer, bytesRead } = await file.read(Buffer.alloc(size - start), 0, size - start, start)
  const text = buffer.subarray(0, bytesRead)
  const end = text.lastIndexOf('\n') + 1
  if (end < bytesRead) await file.truncate(start + end)
  const lastLine = text.subarray(0, end).toString().trimEnd().split('\n').at(-1)
  let waiting = ''
  return {
    lastLine: lastLine === '' ? undefined : lastLine,
    line(text) {
      waiting += `${text}\n`
    },
    async flush() {
      if (waiting === '') return
      const lines = waiting
      waiting = ''
      try {
        // Unlike a single write, which a full disk may cut short without a word.
        await file.appendFile(lines)
        await file.datasync()
      } catch (error) {
        throw toWriteFailure(path, error)
      }
    },
    close: () => file.close(),
  }
}
