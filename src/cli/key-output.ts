import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { Context } from './context.js'
import { writePrivateFile } from './private-file.js'

/** Where a key goes. */
export interface KeyTarget {
  out?: string | undefined
  reveal: boolean
}

/** Throws `usage` where a private key would be printed although nobody has asked for just that. */
export function assertPrivateTarget({ out, reveal }: KeyTarget): void {
  if (out !== undefined || reveal) return
  throw new AuthsecError('usage', 'a private key is not printed', {
    hint: 'Name a new file for it with --out, or print it all the same with --reveal.',
  })
}

/** Writes keys to a new file that only its owner can read, or prints them; throws `conflict` for a file that there is. */
export async function writeKeys({ io }: Context, text: string, out: string | undefined): Promise<void> {
  if (out === undefined) {
    for (const line of text.trimEnd().split('\n')) io.line(line)
    return
  }
  const { access } = await import('node:fs/promises')
  const isThere = await access(out).then(
    () => true,
    () => false,
  )
  if (isThere) {
    throw new AuthsecError('conflict', `${quote(out)} is there already, and a key is never overwritten`, {
      hint: 'Name a new file, or move the old one away.',
    })
  }
  await writePrivateFile(out, text)
  io.note(`written to ${out}, which only you can read`)
}
