import { dirname } from 'node:path'

/**
 * Writes a file that only its owner may read: a new file (0600) beside it takes its place in one step, so that
 * nobody ever sees half of it. Missing directories are made (0700).
 */
export async function writePrivateFile(path: string, text: string): Promise<void> {
  const { mkdir, open, rename, rm } = await import('node:fs/promises')
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${crypto.randomUUID()}.tmp`
  try {
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}
