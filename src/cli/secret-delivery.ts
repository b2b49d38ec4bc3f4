import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { Context } from './context.js'
import { isSpecial, writePrivateFile } from './private-file.js'

/** More than a secret and all that is told with it take. */
const ROOM_BYTES = 16 * 1024

/**
 * Makes sure that a file can be written before the secret is made that is to lie in it: it is shown once, and lost when
 * there is no place for it. Throws `usage`, and `conflict` where another secret may lie there.
 */
export async function prepareSecretFile(path: string | undefined): Promise<void> {
  if (path === undefined) return
  const { lstat } = await import('node:fs/promises')
  const there = await lstat(path).catch(() => undefined)
  const isEmpty = there?.isFile() && there.size === 0
  if (there !== undefined && !isEmpty && !isSpecial(path, there)) {
    throw new AuthsecError(
      'conflict',
      `${quote(path, 200)} is there already, and a secret is never overwritten`,
      {
        hint: 'Name a new file, or move the old one away.',
      },
    )
  }
  // A disk that is full still takes a file with nothing in it.
  if (!isSpecial(path, there)) await writePrivateFile(path, ' '.repeat(ROOM_BYTES))
  await writePrivateFile(path, '')
}

/** Keeps secrets out of the log of GitHub Actions, before anything can print them. */
export function maskSecrets({ io, environment }: Context, secrets: readonly (string | undefined)[]): void {
  if (!environment.isGitHubActions) return
  // The runner reads both streams for commands, and only standard error is sure not to be captured.
  for (const secret of secrets) if (secret !== undefined) io.complain(`::add-mask::${secret}`)
}
