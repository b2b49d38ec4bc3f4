import { dirname, join, sep } from 'node:path'
import { AuthsecError } from '../core/errors.js'
import { type LogFile, type LogSource, readLogKeys } from '../core/log-source.js'
import {
  formatTilePath,
  MAX_TILE_BYTES,
  parseTilePath,
  splitEntries,
  TILE_WIDTH,
  tileAt,
} from '../core/log-tiles.js'
import { quote } from '../core/printable.js'
import { decodeText } from './decoded-text.js'
import { fillNewPlace } from './new-place.js'
import { readStart } from './text-file.js'

/** Reads a log out of a directory in the layout of C2SP tlog-tiles; opens nothing for writing. */
export function openBundle(directory: string): LogSource {
  return {
    readCheckpoint: () => readText(join(directory, 'checkpoint')),
    readTile: (tile) => readBytes(join(directory, formatTilePath(tile))),
    readKeys: async () => readLogKeys(await readText(join(directory, 'keys'))),
    countBehind: (size) => countBehind(directory, size),
  }
}

// Whoever reads the directory file by file takes these for records of the log.
async function countBehind(directory: string, size: number): Promise<number> {
  const { readdir } = await import('node:fs/promises')
  const root = join(directory, 'tile', 'entries')
  const names = await readdir(root, { recursive: true }).catch((cause) => {
    if (cause.code === 'ENOENT' || cause.code === 'ENOTDIR') return []
    throw new AuthsecError('not_found', `${quote(root, 200)} cannot be read (${cause.code})`, { cause })
  })
  let end = size
  for (const name of names) {
    const tile = parseTilePath(`tile/entries/${name.split(sep).join('/')}`)
    // What the log has itself is counted where it is read.
    if (tile === undefined || tile.width === tileAt('entries', tile.index, size).width) continue
    const { entries } = splitEntries((await readBytes(join(root, name))) ?? new Uint8Array())
    end = Math.max(end, tile.index * TILE_WIDTH + entries.length)
  }
  return end - size
}

/**
 * Writes the files of a log into a new directory, which is there whole or not at all. Throws `conflict` where there is
 * something already.
 */
export async function writeBundle(files: AsyncIterable<LogFile>, directory: string): Promise<void> {
  const { mkdir } = await import('node:fs/promises')
  const { writeDurably } = await import('../store/durable-file.js')
  await fillNewPlace(directory, async (partial) => {
    await mkdir(partial, { recursive: true, mode: 0o700 })
    for await (const { file, content } of files) {
      const path = join(partial, file)
      await mkdir(dirname(path), { recursive: true, mode: 0o700 })
      await writeDurably(path, (handle) => handle.writeFile(content))
    }
  })
}

async function readText(path: string): Promise<string | undefined> {
  const bytes = await readBytes(path)
  return bytes && decodeText(bytes)
}

// Somebody else made the bundle: of a file that is too long, as a device is, no more is read than tells so.
async function readBytes(path: string): Promise<Uint8Array | undefined> {
  try {
    return await readStart(path, MAX_TILE_BYTES)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined
    throw new AuthsecError('not_found', `${quote(path, 200)} cannot be read (${code})`, { cause })
  }
}
