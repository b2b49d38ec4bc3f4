import { hashTile, TILE_WIDTH } from './log-tiles.js'
import { foldPeaks, listPeaks, type Sha256 } from './merkle.js'

/** A tile of hashes that has grown. */
export interface GrownTile {
  level: number
  index: number
  hashes: readonly Uint8Array[]
}

/** The end of a log, where its tiles grow. */
export interface TileEdge {
  readonly size: number
  append(leafHash: Uint8Array): void
  root(): Uint8Array
  /** Every tile that has grown since it was last asked for, each as it is now. */
  takeGrown(): GrownTile[]
}

/**
 * Goes on from a log of some size, given the hashes of its last tile on each level: none where the last one is full,
 * or there is none.
 */
export function createTileEdge(
  sha256: Sha256,
  from: { size: number; lastTiles: readonly (readonly Uint8Array[])[] } = { size: 0, lastTiles: [] },
): TileEdge {
  const open = from.lastTiles.map((hashes) => [...hashes])
  let full: GrownTile[] = []
  const grown = new Set<number>()
  let size = from.size

  function push(level: number, hash: Uint8Array): void {
    open[level] ??= []
    const hashes = open[level]
    hashes.push(hash)
    grown.add(level)
    if (hashes.length < TILE_WIDTH) return
    full.push({ level, index: indexOfLast(level, size + 1), hashes })
    open[level] = []
    grown.delete(level)
    push(level + 1, hashTile(hashes, sha256))
  }

  return {
    get size() {
      return size
    },
    append(leafHash) {
      push(0, leafHash)
      size++
    },
    root() {
      // The highest level holds the largest subtrees.
      const peaks = open.flatMap((hashes) => listTilePeaks(hashes, sha256).reverse()).reverse()
      return foldPeaks(peaks, sha256)
    },
    takeGrown() {
      const partial = [...grown].map((level) => ({
        level,
        index: indexOfLast(level, size),
        hashes: [...(open[level] ?? [])],
      }))
      const taken = [...full, ...partial]
      full = []
      grown.clear()
      return taken
    },
  }
}

// The tile in which the last hash of a level is.
function indexOfLast(level: number, size: number): number {
  return Math.floor((Math.floor(size / TILE_WIDTH ** level) - 1) / TILE_WIDTH)
}

function listTilePeaks(hashes: readonly Uint8Array[], sha256: Sha256): Uint8Array[] {
  return listPeaks(hashes.length).map(({ level, index }) => {
    const width = 2 ** level
    return hashTile(hashes.slice(index * width, (index + 1) * width), sha256)
  })
}
