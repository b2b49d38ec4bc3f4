import { randomUUID } from 'node:crypto'
import { readFile, rename, rm, writeFile } from 'node:fs/promises'
import type { HighWaterMark } from '../authority/audit/sealing.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'

/**
 * Keeps the highest head that was ever signed in a file, which takes the place of the former one in one step. One that
 * a crash has left behind the log is as good as new: it only ever says how far the log was at least. Throws
 * `state_unreadable` where the file cannot be read or written.
 */
export function createMarkFile(path: string): HighWaterMark {
  const fail = (cause: NodeJS.ErrnoException): never => {
    throw new AuthsecError(
      'state_unreadable',
      `the high-water mark ${quote(path, 200)} cannot be kept (${cause.code})`,
      {
        hint: 'Name another file with --audit-high-water, on a volume that no backup of the state restores.',
        cause,
      },
    )
  }
  return {
    read: () => readFile(path, 'utf8').catch((cause) => (cause.code === 'ENOENT' ? undefined : fail(cause))),
    async raise(note) {
      const temporary = `${path}.${randomUUID()}.tmp`
      try {
        await writeFile(temporary, note, { mode: 0o600 })
        await rename(temporary, path)
      } catch (cause) {
        await rm(temporary, { force: true }).catch(() => {})
        fail(cause as NodeJS.ErrnoException)
      }
    },
  }
}
