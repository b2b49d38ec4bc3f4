import type { Checkpoint } from './checkpoint.js'
import type { ReadTile } from './log-faults.js'
import {
  countTileLevels,
  type EndCheck,
  findTile,
  formatTilePath,
  listTiles,
  readNode,
  splitEntries,
  TILE_WIDTH,
  tileAt,
} from './log-tiles.js'
import { HASH_BYTES, type ReadNodes, type Sha256 } from './merkle.js'
import { isJsonObject } from './strict-json.js'

/** The key by which a log says it is signed, and the checkpoints by which older keys vouch for newer ones. */
export interface LogKeys {
  verifierKey: string | undefined
  handovers: readonly string[]
}

/** The files of a log, wherever they lie: in a bundle, or at a server. */
export interface LogSource {
  /** Undefined where there is none. */
  readCheckpoint(): Promise<string | undefined>
  readTile: ReadTile
  readKeys(): Promise<LogKeys>
  /** How many records lie there in further files than a log of this size has; undefined where that cannot be seen. */
  countBehind?: ((size: number) => Promise<number>) | undefined
}

/**
 * Reads the hashes of subtrees out of the tiles of a log of this size. One that is not there is no hash of anything, so
 * that nothing is proven by it.
 */
export function readNodesOf(
  { readTile }: Pick<LogSource, 'readTile'>,
  size: number,
  sha256: Sha256,
): ReadNodes {
  return (nodes) =>
    Promise.all(
      nodes.map(async (node) => {
        const tile = await readTile(findTile(node, size))
        return (tile && readNode(node, tile, sha256)) ?? new Uint8Array(HASH_BYTES)
      }),
    )
}

/** One file of a log in the layout of C2SP tlog-tiles. */
export interface LogFile {
  file: string
  content: Uint8Array
}

const utf8 = new TextEncoder()

/** A signed head, as it came. */
type LogHead = Pick<Checkpoint, 'note' | 'size'>

/** How the log of somebody else is read, which may go on meanwhile, or be none. */
interface ForeignLog {
  /** Reads the newest head. */
  readHead(): Promise<LogHead>
  checkEnd: EndCheck
}

/**
 * The files of a log as far as a head covers it. What is gone at the source is gone here too; why may only be told
 * behind the head, when records are pruned meanwhile: then the newest one is asked for, up to which the files go
 * instead. Default: a log of one's own, in which nothing is pruned meanwhile, and of which all is kept that is left.
 */
export async function* readLogFiles(
  source: Pick<LogSource, 'readTile' | 'readKeys'>,
  from: LogHead,
  { readHead, checkEnd }: ForeignLog = { readHead: async () => from, checkEnd() {} },
): AsyncGenerator<LogFile> {
  let head = from
  let done = 0
  for (let hasHole = true; hasHole; ) {
    hasHole = false
    // The last one may grow on.
    for (; (done + 1) * TILE_WIDTH <= head.size; done++) {
      const tile = tileAt('entries', done, head.size)
      const hashes = { ...tile, level: 0 }
      const [content, hashContent] = [await source.readTile(tile), await source.readTile(hashes)]
      checkEnd(tile, head.size, content !== undefined || hashContent !== undefined)
      hasHole ||= content === undefined || splitEntries(content).entries.some(({ length }) => length === 0)
      if (content !== undefined) yield { file: formatTilePath(tile), content }
      if (hashContent !== undefined) yield { file: formatTilePath(hashes), content: hashContent }
    }
    if (hasHole) head = await readHead()
  }
  const upper = Array.from({ length: countTileLevels(head.size) }, (_, level) => level).slice(1)
  for (const tile of [
    tileAt('entries', done, head.size),
    tileAt(0, done, head.size),
    ...upper.flatMap((level) => listTiles(level, head.size)),
  ]) {
    const content = tile.width > 0 ? await source.readTile(tile) : undefined
    if (content !== undefined) yield { file: formatTilePath(tile), content }
  }
  yield { file: 'keys', content: utf8.encode(formatLogKeys(await source.readKeys())) }
  yield { file: 'checkpoint', content: utf8.encode(head.note) }
}

/** Reads the file `keys`; what is not as it should be is as good as not there, because nothing in it is believed. */
export function readLogKeys(text: string | undefined): LogKeys {
  const { verifier_key, handovers } = parseObject(text)
  return {
    verifierKey: typeof verifier_key === 'string' ? verifier_key : undefined,
    handovers: Array.isArray(handovers) ? handovers.filter((note) => typeof note === 'string') : [],
  }
}

/** Writes the file `keys`. */
function formatLogKeys({ verifierKey, handovers }: LogKeys): string {
  return `${JSON.stringify({ verifier_key: verifierKey, handovers }, null, 2)}\n`
}

function parseObject(text: string | undefined): Record<string, unknown> {
  try {
    const value = JSON.parse(text ?? '{}')
    return isJsonObject(value) ? value : {}
  } catch {
    return {}
  }
}
