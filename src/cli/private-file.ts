import type { Stats } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { toWriteFailure } from './write-failure.js'

/**
 * Writes a file that only its owner may read: a new file (0600) beside it takes its place in one step, so that
 * nobody ever sees half of it. Missing directories are made (0700). What is no file, such as `/dev/stdout` or a pipe,
 * is written to and stays what it is. Throws `configuration` with the hint where the system does not let it be written.
 */
export async function writePrivateFile(path: string, text: string, hint?: string): Promise<void> {
  try {
    await write(path, text)
  } catch (error) {
    throw toWriteFailure(path, error, hint)
  }
}

async function write(path: string, text: string): Promise<void> {
  const { lstat, mkdir, rename, rm, writeFile } = await import('node:fs/promises')
  const { writeDurably } = await import('../store/durable-file.js')
  const there = await lstat(path).catch(() => undefined)
  if (isSpecial(path, there)) return await writeFile(path, text)
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${crypto.randomUUID()}.tmp`
  try {
    await writeDurably(temporary, (file) => file.writeFile(text))
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/**
 * Whether what is at a path is no file, such as `/dev/stdout` or a pipe: it is written to, and stays what it is. A link
 * counts where the system keeps those to what a process has open, and a file does nowhere.
 */
export function isSpecial(path: string, there: Stats | undefined): boolean {
  if (there === undefined) return false
  const isOpened = there.isSymbolicLink() && resolve(path).startsWith('/dev/')
  return isOpened || there.isFIFO() || there.isCharacterDevice()
}
