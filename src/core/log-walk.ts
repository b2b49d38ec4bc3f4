import type { Checkpoint } from './checkpoint.js'
import {
  findFault,
  type HashedBundle,
  isSame,
  type LogFault,
  locateFault,
  type ReadTile,
} from './log-faults.js'
import {
  createEndCheck,
  formatTilePath,
  splitEntries,
  splitTile,
  TILE_WIDTH,
  type Tile,
  tileAt,
} from './log-tiles.js'
import { equalHashes, hashLeaf, type Sha256 } from './merkle.js'
import { createTileEdge, type GrownTile } from './tile-edge.js'

/** What a walk through all records has found. */
export interface LogWalk {
  /** The head up to which it went. */
  head: Checkpoint
  read: number
  altered: number
  missing: number
  /** Records that are there, at another place than they were signed at. */
  moved: number
  /** How many records, from the first on, have been taken out by a rule that is itself recorded. */
  pruned: number
  /** How many records stand in the last bundle behind the head. */
  behind: number
  /** The last bundle ends in the middle of a record, as a crash leaves it behind. */
  isTorn: boolean
  /** The root over the records, with the hashes of those that are not there. */
  root: Uint8Array
  /** The roots at the sizes that were asked for. */
  roots: ReadonlyMap<number, Uint8Array>
  /** Tiles that are not as the records have them. */
  faultyTiles: readonly GrownTile[]
  /** The paths of tiles that say nothing wrong, but not all that they should. */
  cutTiles: readonly string[]
  fault: LogFault | undefined
  first: Uint8Array | undefined
  last: Uint8Array | undefined
}

export interface WalkOptions {
  head: Checkpoint
  /** Reads the head once more; undefined where there is none of the same log. */
  readHead?: () => Promise<Checkpoint | undefined>
  readTile: ReadTile
  sha256: Sha256
  /** At which sizes the root is wanted. */
  sizes: ReadonlySet<number>
  /** Given every bundle of records as it comes. */
  onRecords?: (start: number, records: readonly Uint8Array[]) => void
  /** Below which index records may be gone; read when it is needed, because the log itself tells. */
  prunedBelow: () => number
}

/** How often a log is followed on that prunes records faster than they can be read. */
const MAX_HEADS = 5

/**
 * Walks through a log once, hashes every record, and finds the first that is not what the head covers. It trusts
 * nothing but the root of the head: tiles only tell where to look when that does not agree. Where a record is missing
 * it goes on to the newest head, in which a pruning meanwhile is told of. Throws `audit_incomplete` where the records end
 * long before the head.
 */
export async function walkLog(options: WalkOptions): Promise<LogWalk> {
  const { readHead = async () => undefined, readTile, sha256, prunedBelow } = options
  const steps = createSteps(options)
  let head = options.head
  for (let heads = 1; ; heads++) {
    await steps.goTo(head.size)
    if (heads === MAX_HEADS || !hasHole(steps.faulty, prunedBelow())) break
    const next = await readHead()
    if (next === undefined || next.size <= head.size) break
    head = next
  }
  const { faulty, faultyTiles, isTorn, root, ...found } = steps.result()
  const counts = { altered: 0, missing: 0, moved: 0 }
  const pruned = countPruned(faulty, prunedBelow())
  for (const bundle of faulty) findFault(bundle, counts, pruned)
  const isSigned = equalHashes(root, head.root)
  const fault = await locateFault({ faulty, faultyTiles, isSigned, isTorn, pruned, head, readTile, sha256 })
  const cutTiles = [...listCutBundles(faulty), ...found.cutTiles].map(formatTilePath)
  return { head, ...found, ...counts, pruned, isTorn, root, faultyTiles, cutTiles, fault }
}

/** The walk itself, from where it is to a size, and what it has come past. */
function createSteps({ readTile, sha256, sizes, onRecords = () => {} }: WalkOptions) {
  const edge = createTileEdge(sha256)
  const roots = new Map<number, Uint8Array>()
  const faulty: HashedBundle[] = []
  const faultyTiles: GrownTile[] = []
  const cutTiles: Tile[] = []
  const checkEnd = createEndCheck()
  let [read, behind, isTorn] = [0, 0, false]
  let [first, last]: (Uint8Array | undefined)[] = []
  /** The hashes of the last bundle, which may grow on. */
  let actual: (Uint8Array | undefined)[] = []

  async function takeBundle(tile: Tile, size: number): Promise<void> {
    const [bytes, expectedBytes] = await Promise.all([readTile(tile), readTile({ ...tile, level: 0 })])
    checkEnd(tile, size, bytes !== undefined || expectedBytes !== undefined)
    const bundle = splitEntries(bytes ?? new Uint8Array())
    const expected = splitTile(expectedBytes ?? new Uint8Array())
    const records = bundle.entries.slice(0, tile.width)
    const start = tile.index * TILE_WIDTH
    isTorn ||= bundle.isTorn
    behind += Math.max(0, bundle.entries.length - tile.width)
    if (edge.size === start) actual = []
    else if (faulty.at(-1)?.start === start) faulty.pop()
    onRecords(edge.size, records.slice(actual.length))

    for (let at = actual.length; at < tile.width; at++) {
      const record = records[at]
      const hash = record === undefined || record.length === 0 ? undefined : hashLeaf(record, sha256)
      actual.push(hash)
      if (hash !== undefined) {
        read++
        first ??= record
        last = record
      }
      edge.append(hash ?? expected[at] ?? new Uint8Array(32))
      if (sizes.has(edge.size)) roots.set(edge.size, edge.root())
    }
    if (!actual.every((hash, at) => isSame(hash, expected[at]))) faulty.push({ start, expected, actual })
  }

  async function checkGrown(size: number): Promise<void> {
    for (const { level, index, hashes } of edge.takeGrown()) {
      // Those of the lowest level have just been compared; a tile that grows on is looked at when it is done.
      const tile = tileAt(level, index, size)
      if (level === 0 || hashes.length !== tile.width) continue
      const stored = splitTile((await readTile(tile)) ?? new Uint8Array())
      if (!stored.every((hash, at) => isSame(hash, hashes[at]))) faultyTiles.push({ level, index, hashes })
      else if (stored.length < hashes.length) cutTiles.push(tile)
    }
  }

  return {
    faulty,
    async goTo(size: number): Promise<void> {
      while (edge.size < size) {
        await takeBundle(tileAt('entries', Math.floor(edge.size / TILE_WIDTH), size), size)
        await checkGrown(size)
      }
    },
    result: () => ({
      root: edge.root(),
      ...{ read, behind, isTorn, roots, faulty, faultyTiles, cutTiles, first, last },
    }),
  }
}

function hasHole(faulty: readonly HashedBundle[], below: number): boolean {
  return faulty.some(({ start, actual }) =>
    actual.some((hash, at) => hash === undefined && start + at >= below),
  )
}

function listCutBundles(faulty: readonly HashedBundle[]): Tile[] {
  return faulty
    .filter(({ expected, actual }) => expected.length < actual.length)
    .map(({ start, actual }) => ({ level: 0, index: start / TILE_WIDTH, width: actual.length }))
}

// From the first record on, as far as they are gone and may be.
function countPruned(faulty: readonly HashedBundle[], below: number): number {
  let pruned = 0
  for (const { start, actual } of faulty) {
    for (const [at, hash] of actual.entries()) {
      const index = start + at
      if (index !== pruned || index >= below || hash !== undefined) return pruned
      pruned++
    }
  }
  return pruned
}
