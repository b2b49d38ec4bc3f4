import { join } from 'node:path'

/**
 * Keeps names for the completion of shells, one a line, so that it needs neither the network nor this program. A
 * name is whatever a server says: one that a shell could take for more than a word is left out.
 */
export async function keepNames(
  directory: string,
  kind: 'clients' | 'profiles',
  names: readonly string[],
): Promise<void> {
  const { mkdir, writeFile } = await import('node:fs/promises')
  const harmless = [...new Set(names)].filter(
    (name) => /^[\w.@:+-]{1,128}$/.test(name) && !name.startsWith('-'),
  )
  const folder = join(directory, 'completion')
  // Completion is a comfort: where it cannot be kept, nothing else fails.
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await writeFile(join(folder, kind), harmless.map((name) => `${name}\n`).join(''), { mode: 0o600 })
  } catch {}
}
