import { AuthsecError } from './errors.js'
import { createMerkleTree, HASH_BYTES, type Sha256, type TreeNode } from './merkle.js'

/** How many hashes or entries a full tile has, C2SP tlog-tiles. */
export const TILE_WIDTH = 256

const TILE_HEIGHT = 8
const MAX_ENTRY_BYTES = 0xffff

/** No file of a log is longer: a full bundle, each entry as long as one may be. */
export const MAX_TILE_BYTES: number = TILE_WIDTH * (2 + MAX_ENTRY_BYTES)

// Of a tile that holds more than it may, so many tell enough: an empty entry takes but two bytes.
const MAX_LISTED = 2 * TILE_WIDTH

// So many bundles in a row, a quarter of a million records, are the end of a log, whatever its head says.
const MAX_ABSENT = 1_024

/** A tile of hashes by its level, or a bundle of entries; `width` is below 256 at the end of the log only. */
export interface Tile {
  level: number | 'entries'
  index: number
  width: number
}

/** The path of a tile below the root of a log, as in `tile/0/x001/x234/067.p/5`. */
export function formatTilePath({ level, index, width }: Tile): string {
  const digits = String(index)
  const parts = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/\d{3}/g) ?? []
  const place = parts.map((part, at) => (at < parts.length - 1 ? `x${part}` : part)).join('/')
  return `tile/${level}/${place}${width === TILE_WIDTH ? '' : `.p/${width}`}`
}

/** Reads the path of a tile, which has one spelling; undefined for what is none. */
export function parseTilePath(path: string): Tile | undefined {
  const [, level = '', place = '', width] =
    /^tile\/(entries|\d{1,2})\/((?:x\d{3}\/){0,4}\d{3})(?:\.p\/(\d{1,3}))?$/.exec(path) ?? []
  const tile: Tile = {
    level: level === 'entries' ? level : Number(level),
    index: Number(place.replaceAll(/[x/]/g, '')),
    width: width === undefined ? TILE_WIDTH : Number(width),
  }
  const isPossible = tile.width > 0 && (tile.level === 'entries' || tile.level < 64)
  return isPossible && formatTilePath(tile) === path ? tile : undefined
}

/**
 * The tile of one level, or bundle of entries, with an index, as a log of this size has it; of no width beyond its end.
 */
export function tileAt(level: Tile['level'], index: number, size: number): Tile {
  const count = level === 'entries' ? size : Math.floor(size / TILE_WIDTH ** level)
  return { level, index, width: Math.max(0, Math.min(TILE_WIDTH, count - index * TILE_WIDTH)) }
}

/** Every tile of one level, or every bundle of entries, of a log of this size. */
export function listTiles(level: Tile['level'], size: number): Tile[] {
  const tiles: Tile[] = []
  for (let tile = tileAt(level, 0, size); tile.width > 0; tile = tileAt(level, tile.index + 1, size)) {
    tiles.push(tile)
  }
  return tiles
}

/** Told of one bundle after the other whether it is there, or its hashes, which stay where records are pruned. */
export type EndCheck = (tile: Tile, size: number, isThere: boolean) => void

/**
 * Throws `audit_incomplete` where too many bundles in a row are not there: anybody can write a head of a size that no
 * reading comes to the end of.
 */
export function createEndCheck(): EndCheck {
  let absent = 0
  return ({ index }, size, isThere) => {
    absent = isThere ? 0 : absent + 1
    if (absent <= MAX_ABSENT) return
    const end = (index - MAX_ABSENT) * TILE_WIDTH
    throw new AuthsecError('audit_incomplete', `the records end at ${end}, and the head says ${size}`, {
      hint: 'Check that the checkpoint is the one of these files.',
    })
  }
}

/** How many levels of tiles a log of this size has. */
export function countTileLevels(size: number): number {
  let levels = 0
  for (let count = size; count > 0; count = Math.floor(count / TILE_WIDTH)) levels++
  return levels
}

/** The tile of a log of this size in which a perfect subtree is found. */
export function findTile({ level, index }: TreeNode, size: number): Tile {
  const first = index * 2 ** (level % TILE_HEIGHT)
  return tileAt(Math.floor(level / TILE_HEIGHT), Math.floor(first / TILE_WIDTH), size)
}

/** The hash of a perfect subtree out of its tile; undefined where the tile is too short. */
export function readNode(
  { level, index }: TreeNode,
  tile: Uint8Array,
  sha256: Sha256,
): Uint8Array | undefined {
  const count = 2 ** (level % TILE_HEIGHT)
  const start = (index * count) % TILE_WIDTH
  const hashes = splitTile(tile).slice(start, start + count)
  return hashes.length === count ? hashTile(hashes, sha256) : undefined
}

/** The root over the hashes of a tile: of a full one its hash in the tile above. */
export function hashTile(hashes: readonly Uint8Array[], sha256: Sha256): Uint8Array {
  const tree = createMerkleTree(sha256)
  for (const hash of hashes) tree.append(hash)
  return tree.root()
}

/** The hashes of a tile, twice as many as it may hold at most; what is left over at the end of a torn one is none. */
export function splitTile(tile: Uint8Array): Uint8Array[] {
  const length = Math.min(Math.floor(tile.length / HASH_BYTES), MAX_LISTED)
  return Array.from({ length }, (_, index) => tile.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES))
}

/** The bundle of some entries, each behind its length in two bytes. An entry that is gone is left empty. */
export function joinEntries(entries: readonly Uint8Array[]): Uint8Array {
  const bundle = new Uint8Array(entries.reduce((sum, { length }) => sum + 2 + length, 0))
  let at = 0
  for (const entry of entries) {
    if (entry.length > MAX_ENTRY_BYTES) throw new RangeError(`an entry of ${entry.length} bytes`)
    bundle[at] = entry.length >> 8
    bundle[at + 1] = entry.length & 0xff
    bundle.set(entry, at + 2)
    at += 2 + entry.length
  }
  return bundle
}

/**
 * The entries of a bundle, twice as many as it may hold at most, and whether it ends in the middle of one, as what is
 * written when a machine stops does.
 */
export function splitEntries(bundle: Uint8Array): { entries: Uint8Array[]; isTorn: boolean } {
  const entries: Uint8Array[] = []
  let at = 0
  while (at + 2 <= bundle.length) {
    const end = at + 2 + (((bundle[at] as number) << 8) | (bundle[at + 1] as number))
    if (end > bundle.length) break
    entries.push(bundle.subarray(at + 2, end))
    if (entries.length === MAX_LISTED) return { entries, isTorn: false }
    at = end
  }
  return { entries, isTorn: at < bundle.length }
}
