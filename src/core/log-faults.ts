import { encodeHex } from './hex.js'
import { formatTilePath, hashTile, listTiles, splitTile, TILE_WIDTH, type Tile, tileAt } from './log-tiles.js'
import { equalHashes, foldPeaks, listPeaks, type Sha256 } from './merkle.js'
import type { GrownTile } from './tile-edge.js'

/** Where the tiles and records of a log come from: a directory, or a server. Undefined for what is not there. */
export type ReadTile = (tile: Tile) => Promise<Uint8Array | undefined>

/** What is wrong with a log, at its first place. */
export interface LogFault {
  kind: 'altered' | 'moved' | 'repeated' | 'missing' | 'cut' | 'tile' | 'root'
  /** The first record that is concerned. */
  index: number
  /** The tile that is not as its records have it. */
  path?: string | undefined
  expected?: string | undefined
  actual?: string | undefined
  /** How many records, from the first on, are what was signed. */
  good: number
  /** The first and the last of the next ones that are as well; undefined where there are none, or nothing tells. */
  goodAfter?: readonly [first: number, last: number] | undefined
}

/** The hashes of a bundle as its tile tells them, and as they follow from the records that are there. */
export interface HashedBundle {
  start: number
  expected: readonly Uint8Array[]
  actual: readonly (Uint8Array | undefined)[]
}

export interface FaultCounts {
  altered: number
  missing: number
  moved: number
}

interface FaultSearch {
  faulty: readonly HashedBundle[]
  faultyTiles: readonly GrownTile[]
  /** Whether the root over the records is the signed one. */
  isSigned: boolean
  isTorn: boolean
  pruned: number
  head: { size: number; root: Uint8Array }
  readTile: ReadTile
  sha256: Sha256
}

/** Tells what is wrong in a bundle, and counts all of it. Undefined where all that is wrong is wrong by rule. */
export function findFault(
  { start, expected, actual }: HashedBundle,
  counts: FaultCounts,
  pruned: number,
): LogFault | undefined {
  const told = new Map(expected.map((hash, at) => [encodeHex(hash), start + at]))
  const seen = new Set<string>()
  const there = new Set(actual.flatMap((hash) => (hash === undefined ? [] : [encodeHex(hash)])))
  // Where one record is taken out and all others move up, each of them stands at a wrong place but the one.
  const gone = expected.findIndex((hash) => !there.has(encodeHex(hash)))
  let fault: LogFault | undefined

  for (const [at, hash] of actual.entries()) {
    const index = start + at
    const wanted = expected[at]
    if (hash === undefined) {
      // What is pruned may be gone, but its hash may not.
      if (index < pruned && wanted !== undefined) continue
      counts.missing++
      fault ??= { kind: 'missing', index, expected: wanted && encodeHex(wanted), good: index }
      continue
    }
    const text = encodeHex(hash)
    const isRepeated = seen.has(text)
    seen.add(text)
    if (wanted === undefined || equalHashes(hash, wanted)) continue
    const isKnown = told.has(text)
    counts[isKnown ? 'moved' : 'altered']++
    const kind = isRepeated ? 'repeated' : !isKnown ? 'altered' : gone === at ? 'missing' : 'moved'
    fault ??= { kind, index, expected: encodeHex(wanted), actual: text, good: index }
  }
  return fault
}

/** The first thing that is wrong with a log, as far as its signed root lets anybody tell where that is. */
export async function locateFault(search: FaultSearch): Promise<LogFault | undefined> {
  const { faulty, faultyTiles, isSigned, isTorn, pruned, head } = search
  const uncounted = () => ({ altered: 0, missing: 0, moved: 0 })
  const faults = faulty.flatMap((bundle) => findFault(bundle, uncounted(), pruned) ?? [])
  const [fault] = faults
  const isCut = fault?.kind === 'missing' && reachesEnd(fault.index, faulty, head.size)
  if (isSigned) {
    // The records are what was signed, as far as they are there: then it is a tile that has changed. One that is cut
    // off has not.
    const missing = faults.find(({ kind, actual }) => kind === 'missing' && actual === undefined)
    if (missing) return isCut ? { ...missing, kind: 'cut' } : withGoodAfter(missing, faulty, head.size)
    const bundle = faulty.find(({ expected, actual }) =>
      actual.some((hash, at) => isOther(hash, expected[at])),
    )
    const level = bundle ? 0 : faultyTiles[0]?.level
    if (level === undefined) return undefined
    const index = bundle ? bundle.start / TILE_WIDTH : (faultyTiles[0]?.index ?? 0)
    const path = formatTilePath(tileAt(level, index, head.size))
    return { kind: 'tile', index: index * TILE_WIDTH ** (level + 1), path, good: head.size }
  }
  if (isCut && (isTorn || (await hasSignedTiles(search)))) return { ...fault, kind: 'cut' }
  if (fault && (await hasSignedTiles(search))) return withGoodAfter(fault, faulty, head.size)
  if (isCut) return { ...fault, kind: 'cut' }
  const good = await countGood(search)
  return fault === undefined || fault.index < good
    ? { kind: 'root', index: good, good }
    : { ...fault, good: Math.min(fault.good, good) }
}

// Only where the hashes of all records are those that were signed.
function withGoodAfter(fault: LogFault, faulty: readonly HashedBundle[], size: number): LogFault {
  const wrong = new Set(
    faulty.flatMap(({ start, expected, actual }) =>
      actual.flatMap((hash, at) => (isSame(hash, expected[at]) ? [] : [start + at])),
    ),
  )
  let first = fault.index + 1
  while (wrong.has(first)) first++
  const next = [...wrong].find((index) => index > first) ?? size
  return first < size ? { ...fault, goodAfter: [first, next - 1] } : fault
}

function reachesEnd(index: number, faulty: readonly HashedBundle[], size: number): boolean {
  const last = faulty.at(-1)
  if (last === undefined || last.start + last.actual.length !== size) return false
  const from = Math.floor(index / TILE_WIDTH)
  const rest = faulty.filter(({ start }) => start / TILE_WIDTH >= from)
  const isWhole = rest.length === Math.ceil(size / TILE_WIDTH) - from
  return (
    isWhole &&
    rest.every(({ start, actual }) => actual.every((hash, at) => start + at < index || hash === undefined))
  )
}

/** Whether the tiles of the lowest level lead to the signed root: then they tell exactly what each record was. */
async function hasSignedTiles(search: FaultSearch): Promise<boolean> {
  const root = await rootOfLevel(0, search)
  return root !== undefined && equalHashes(root, search.head.root)
}

// Higher tiles that lead to the signed root tell in which stretch of records the first difference is.
async function countGood(search: FaultSearch): Promise<number> {
  const { head, readTile, sha256 } = search
  for (let level = 1; TILE_WIDTH ** level <= head.size; level++) {
    const root = await rootOfLevel(level, search)
    if (root === undefined || !equalHashes(root, head.root)) continue
    const upper = await readHashes(level, head.size, readTile)
    const lower = await readHashes(level - 1, head.size, readTile)
    const different = upper.findIndex((hash, at) => {
      const part = lower.slice(at * TILE_WIDTH, (at + 1) * TILE_WIDTH)
      return part.length < TILE_WIDTH || !equalHashes(hashTile(part, sha256), hash)
    })
    return (different === -1 ? upper.length : different) * TILE_WIDTH ** level
  }
  return 0
}

/** The root over the hashes of one level and, at the end, of those below it. */
async function rootOfLevel(
  level: number,
  { head, readTile, sha256 }: FaultSearch,
): Promise<Uint8Array | undefined> {
  const peaks: Uint8Array[] = []
  for (let lower = level; lower >= 0; lower--) {
    const all = await readHashes(lower, head.size, readTile)
    const count = Math.floor(head.size / TILE_WIDTH ** lower)
    if (all.length !== count) return undefined
    const hashes = lower === level ? all : all.slice(Math.floor(count / TILE_WIDTH) * TILE_WIDTH)
    for (const node of listPeaks(hashes.length)) {
      const width = 2 ** node.level
      peaks.push(hashTile(hashes.slice(node.index * width, (node.index + 1) * width), sha256))
    }
  }
  return foldPeaks(peaks, sha256)
}

async function readHashes(level: number, size: number, readTile: ReadTile): Promise<Uint8Array[]> {
  const hashes: Uint8Array[] = []
  for (const tile of listTiles(level, size)) {
    hashes.push(...splitTile((await readTile(tile)) ?? new Uint8Array()))
  }
  return hashes
}

/** Whether a hash is there, and the one that is told. */
export function isSame(hash: Uint8Array | undefined, told: Uint8Array | undefined): boolean {
  return hash !== undefined && told !== undefined && equalHashes(hash, told)
}

function isOther(hash: Uint8Array | undefined, told: Uint8Array | undefined): boolean {
  return hash !== undefined && told !== undefined && !equalHashes(hash, told)
}
