import { type FileHandle, open } from 'node:fs/promises'

/**
 * Makes a file that only its owner may read (0600), where nothing may be yet, and lets `fill` write it; what that returns
 * is there after a power cut too. Without it the name may be there by then, and what it names may not.
 */
export async function writeDurably<T>(path: string, fill: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, 'wx', 0o600)
  try {
    const filled = await fill(file)
    await file.sync()
    return filled
  } finally {
    await file.close()
  }
}
