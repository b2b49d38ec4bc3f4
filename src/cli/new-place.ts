import { dirname } from 'node:path'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { toWriteFailure } from './write-failure.js'

/**
 * Makes a file or a directory where nothing may be yet: `fill` writes it beside, and whole it takes its place in one
 * step; what fails leaves nothing of it behind. Missing directories are made (0700), and stay. Throws `conflict` where
 * there is something already, and `configuration` where it cannot be written.
 */
export async function fillNewPlace<T>(path: string, fill: (partial: string) => Promise<T>): Promise<T> {
  const { mkdir, rename, rm } = await import('node:fs/promises')
  await assertNewPlace(path)
  await mkdir(dirname(path), { recursive: true, mode: 0o700 }).catch((error) => {
    throw toWriteFailure(path, error)
  })
  const partial = `${path}.${crypto.randomUUID()}.partial`
  try {
    const result = await fill(partial)
    await rename(partial, path)
    return result
  } catch (error) {
    await rm(partial, { recursive: true, force: true })
    throw toWriteFailure(path, error)
  }
}

/** Throws `conflict` where there is something already. */
export async function assertNewPlace(path: string): Promise<void> {
  const { stat } = await import('node:fs/promises')
  const isTaken = await stat(path).then(
    () => true,
    () => false,
  )
  if (!isTaken) return
  throw new AuthsecError('conflict', `${quote(path, 200)} exists already`, {
    hint: 'Name a place where nothing is yet.',
  })
}
