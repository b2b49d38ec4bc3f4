import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AuthsecError } from '../core/errors.js'
import { formatLogKeys, type LogSource, readLogKeys } from '../core/log-source.js'
import { countTileLevels, formatTilePath, listTiles } from '../core/log-tiles.js'
import { quote } from '../core/printable.js'
import { fillNewPlace } from './new-place.js'

/** Reads a log out of a directory in the layout of C2SP tlog-tiles; opens nothing for writing. */
export function openBundle(directory: string): LogSource {
  return {
    readCheckpoint: () => readText(join(directory, 'checkpoint')),
    readTile: (tile) => readBytes(join(directory, formatTilePath(tile))),
    readKeys: async () => readLogKeys(await readText(join(directory, 'keys'))),
  }
}

/**
 * Writes a log, as far as its checkpoint covers it, into a new directory, which is there whole or not at all. Throws `conflict` where there is something already.
 */
export async function writeBundle(
  source: LogSource,
  head: { note: string; size: number },
  directory: string,
): Promise<void> {
  const { mkdir } = await import('node:fs/promises')
  await fillNewPlace(directory, async (partial) => {
    await mkdir(partial, { recursive: true, mode: 0o700 })
    const levels = Array.from({ length: countTileLevels(head.size) }, (_, level) => level)
    for (const tile of [
      ...listTiles('entries', head.size),
      ...levels.flatMap((level) => listTiles(level, head.size)),
    ]) {
      const bytes = await source.readTile(tile)
      // What is gone at the source is gone in the copy: whoever checks it is told so.
      if (bytes !== undefined) await writeDurably(join(partial, formatTilePath(tile)), bytes)
    }
    await writeDurably(join(partial, 'keys'), formatLogKeys(await source.readKeys()))
    await writeDurably(join(partial, 'checkpoint'), head.note)
  })
}

async function writeDurably(path: string, content: string | Uint8Array): Promise<void> {
  const { mkdir, open } = await import('node:fs/promises')
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(content)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function readText(path: string): Promise<string | undefined> {
  const bytes = await readBytes(path)
  return bytes && new TextDecoder().decode(bytes)
}

async function readBytes(path: string): Promise<Uint8Array | undefined> {
  return readFile(path).catch((cause) => {
    if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') return undefined
    throw new AuthsecError('not_found', `${quote(path, 200)} cannot be read (${cause.code})`, { cause })
  })
}
