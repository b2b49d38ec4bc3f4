import type { Checkpoint } from './checkpoint.js'
import { findFault, type HashedBundle, type LogFault, locateFault, type ReadTile } from './log-faults.js'
import { splitEntries, splitTile, TILE_WIDTH, tileAt } from './log-tiles.js'
import { equalHashes, hashLeaf, type Sha256 } from './merkle.js'
import { createTileEdge, type GrownTile } from './tile-edge.js'

/** What a walk through all records has found. */
export interface LogWalk {
  read: number
  altered: number
  missing: number
  /** Records that are there, at another place than they were signed at. */
  moved: number
  /** How many records, from the first on, have been taken out by a rule that is itself recorded. */
  pruned: number
  /** The last bundle ends in the middle of a record, as a crash leaves it behind. */
  isTorn: boolean
  /** The root over the records, with the hashes of those that are not there. */
  root: Uint8Array
  /** The roots at the sizes that were asked for. */
  roots: ReadonlyMap<number, Uint8Array>
  /** Tiles that are not as the records have them. */
  faultyTiles: readonly GrownTile[]
  fault: LogFault | undefined
  first: Uint8Array | undefined
  last: Uint8Array | undefined
}

export interface WalkOptions {
  head: Pick<Checkpoint, 'size' | 'root'>
  readTile: ReadTile
  sha256: Sha256
  /** At which sizes the root is wanted. */
  sizes: ReadonlySet<number>
  /** Given every bundle of records as it comes. */
  onRecords?: (start: number, records: readonly Uint8Array[]) => void
  /** Below which index records may be gone; read when it is needed, because the log itself tells. */
  prunedBelow: () => number
}

/**
 * Walks through a log once, hashes every record, and finds the first that is not what the head covers. It trusts
 * nothing but the root of the head: tiles only tell where to look when that does not agree.
 */
export async function walkLog(options: WalkOptions): Promise<LogWalk> {
  const { head, readTile, sha256, sizes, onRecords = () => {} } = options
  const edge = createTileEdge(sha256)
  const roots = new Map<number, Uint8Array>()
  const faulty: HashedBundle[] = []
  const faultyTiles: GrownTile[] = []
  let [read, isTorn] = [0, false]
  let [first, last]: (Uint8Array | undefined)[] = []

  for (
    let tile = tileAt('entries', 0, head.size);
    tile.width > 0;
    tile = tileAt('entries', tile.index + 1, head.size)
  ) {
    const [bytes, expectedBytes] = await Promise.all([readTile(tile), readTile({ ...tile, level: 0 })])
    const bundle = splitEntries(bytes ?? new Uint8Array())
    const expected = splitTile(expectedBytes ?? new Uint8Array())
    const records = bundle.entries.slice(0, tile.width)
    const start = tile.index * TILE_WIDTH
    isTorn ||= bundle.isTorn
    onRecords(start, records)

    const actual: (Uint8Array | undefined)[] = []
    let isFaulty = expected.length !== tile.width
    for (let at = 0; at < tile.width; at++) {
      const record = records[at]
      const hash = record === undefined || record.length === 0 ? undefined : hashLeaf(record, sha256)
      actual.push(hash)
      const told = expected[at]
      isFaulty ||= hash === undefined || told === undefined || !equalHashes(hash, told)
      if (hash !== undefined) {
        read++
        first ??= record
        last = record
      }
      edge.append(hash ?? told ?? new Uint8Array(32))
      if (sizes.has(edge.size)) roots.set(edge.size, edge.root())
    }
    if (isFaulty) faulty.push({ start, expected, actual })
    for (const grown of edge.takeGrown()) {
      // Those of the lowest level have just been compared; a tile that grows on is looked at when it is done.
      const isDone = grown.hashes.length === tileAt(grown.level, grown.index, head.size).width
      if (grown.level > 0 && isDone && !(await isAsStored(grown, readTile))) faultyTiles.push(grown)
    }
  }

  const root = edge.root()
  const counts = { altered: 0, missing: 0, moved: 0 }
  const pruned = countPruned(faulty, options.prunedBelow())
  for (const bundle of faulty) findFault(bundle, counts, pruned)
  const isSigned = equalHashes(root, head.root)
  const fault = await locateFault({ faulty, faultyTiles, isSigned, isTorn, pruned, head, readTile, sha256 })
  return { read, ...counts, pruned, isTorn, root, roots, faultyTiles, fault, first, last }
}

async function isAsStored({ level, index, hashes }: GrownTile, readTile: ReadTile): Promise<boolean> {
  const stored = splitTile((await readTile({ level, index, width: hashes.length })) ?? new Uint8Array())
  return (
    stored.length === hashes.length && hashes.every((hash, at) => equalHashes(hash, stored[at] as Uint8Array))
  )
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
