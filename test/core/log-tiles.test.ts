import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  countTileLevels,
  findTile,
  formatTilePath,
  hashTile,
  joinEntries,
  listTiles,
  MAX_TILE_BYTES,
  parseTilePath,
  readNode,
  splitEntries,
  splitTile,
  tileAt,
} from '../../src/core/log-tiles.js'
import {
  createMerkleTree,
  hashLeaf,
  proveConsistency,
  proveInclusion,
  type ReadNodes,
  verifyConsistency,
  verifyInclusion,
} from '../../src/core/merkle.js'

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()

describe('paths of tiles', () => {
  test.each([
    '',
    'checkpoint',
    'tile/0/0',
    'tile/0/1234',
    'tile/00/000',
    'tile/64/000',
    'tile/0/x000/067',
    'tile/0/067.p/0',
    'tile/0/067.p/256',
    'tile/0/067.p/05',
    'tile/0/067.p/',
    'tile/0/067/',
    'tile/0/../067',
    'tile/entries/x1/067',
    'tile/data/067',
    '/tile/0/067',
    'tile/0/x999/x999/x999/x999/x999/999',
    'tile/0/067\n',
  ])('are not %j', (path) => {
    expect(parseTilePath(path)).toBeUndefined()
  })

  // The example of the specification, and the ends of each range.
  test.each([
    { path: 'tile/0/x001/x234/067', tile: { level: 0, index: 1_234_067, width: 256 } },
    { path: 'tile/1/000.p/17', tile: { level: 1, index: 0, width: 17 } },
    { path: 'tile/63/999.p/255', tile: { level: 63, index: 999, width: 255 } },
    { path: 'tile/entries/x001/000', tile: { level: 'entries', index: 1_000, width: 256 } },
  ] as const)('tell which tile is meant: $path', ({ path, tile }) => {
    expect(parseTilePath(path)).toEqual(tile)
    expect(formatTilePath(tile)).toBe(path)
  })

  test('are read as they are written', () => {
    const tiles = fc.record({
      level: fc.oneof(fc.nat(63), fc.constant('entries' as const)),
      index: fc.nat(2 ** 40),
      width: fc.integer({ min: 1, max: 256 }),
    })
    fc.assert(
      fc.property(tiles, (tile) => {
        expect(parseTilePath(formatTilePath(tile))).toEqual(tile)
      }),
    )
  })
})

describe('a log of 70,000 entries', () => {
  test('has the tiles that the specification counts', () => {
    expect(countTileLevels(70_000)).toBe(3)
    expect(listTiles(0, 70_000)).toHaveLength(274)
    expect(listTiles(0, 70_000).at(-1)).toEqual({ level: 0, index: 273, width: 112 })
    expect(listTiles('entries', 70_000).at(-1)).toEqual({ level: 'entries', index: 273, width: 112 })
    expect(listTiles(1, 70_000)).toEqual([
      { level: 1, index: 0, width: 256 },
      { level: 1, index: 1, width: 17 },
    ])
    expect(listTiles(2, 70_000)).toEqual([{ level: 2, index: 0, width: 1 }])
    expect(tileAt(0, 274, 70_000).width).toBe(0)
  })

  test('gives every proof out of its tiles alone', async () => {
    const size = 70_000
    const leaves = Array.from({ length: size }, (_, index) => hashLeaf(Buffer.from(`entry ${index}`), sha256))
    const tiles = buildTiles(leaves)
    const read: ReadNodes = async (nodes) =>
      nodes.map((node) => readNode(node, tiles.get(formatTilePath(findTile(node, size)))!, sha256)!)
    const tree = createMerkleTree(sha256)
    const olderSizes = [1, 255, 256, 257, 65_536, 65_537, 69_999]
    const roots = new Map<number, Uint8Array>()
    for (const leaf of leaves) {
      tree.append(leaf)
      if (olderSizes.includes(tree.size)) roots.set(tree.size, tree.root())
    }
    const whole = { size, root: tree.root() }
    for (const index of [0, 1, 255, 256, 65_535, 65_536, 69_999]) {
      const proof = await proveInclusion(index, size, read, sha256)
      expect(verifyInclusion({ index, hash: leaves[index]! }, whole, proof, sha256)).toBe(true)
    }
    for (const from of olderSizes) {
      const proof = await proveConsistency(from, size, read, sha256)
      expect(verifyConsistency({ size: from, root: roots.get(from)! }, whole, proof, sha256)).toBe(true)
    }
  })

  test('has no node in a tile that is too short for it', () => {
    expect(readNode({ level: 3, index: 1 }, new Uint8Array(15 * 32), sha256)).toBeUndefined()
    expect(readNode({ level: 0, index: 0 }, new Uint8Array(31), sha256)).toBeUndefined()
  })
})

describe('bundles of entries', () => {
  test.each([
    { what: 'nothing', bytes: [], entries: 0, isTorn: false },
    { what: 'half a length', bytes: [0], entries: 0, isTorn: true },
    { what: 'a length alone', bytes: [0, 1], entries: 0, isTorn: true },
    { what: 'an entry that is cut', bytes: [0, 1, 7, 0, 3, 1, 2], entries: 1, isTorn: true },
    { what: 'an entry that is gone', bytes: [0, 0, 0, 1, 7], entries: 2, isTorn: false },
  ])('may hold $what', ({ bytes, entries, isTorn }) => {
    const found = splitEntries(Uint8Array.from(bytes))
    expect(found.entries).toHaveLength(entries)
    expect(found.isTorn).toBe(isTorn)
  })

  test('are twice as many as there may be at most', () => {
    const { entries, isTorn } = splitEntries(new Uint8Array(1024 * 1024 + 1))
    expect([entries.length, isTorn]).toEqual([512, false])
    expect(splitTile(new Uint8Array(1024 * 1024))).toHaveLength(512)
  })

  test('give back what they were made of', () => {
    const entries = fc.array(fc.uint8Array({ maxLength: 600 }), { maxLength: 20 })
    fc.assert(
      fc.property(entries, (some) => {
        const { entries: found, isTorn } = splitEntries(joinEntries(some))
        expect(found.map((entry) => [...entry])).toEqual(some.map((entry) => [...entry]))
        expect(isTorn).toBe(false)
      }),
    )
  })

  test('are no longer than any file of a log may be', () => {
    expect(joinEntries(Array(256).fill(new Uint8Array(65_535)))).toHaveLength(MAX_TILE_BYTES)
  })

  test('take no entry whose length does not fit into two bytes', () => {
    expect(joinEntries([new Uint8Array(65_535)])).toHaveLength(65_537)
    expect(() => joinEntries([new Uint8Array(65_536)])).toThrow(RangeError)
  })
})

// Level by level, as the specification defines them.
function buildTiles(leaves: readonly Uint8Array[]): Map<string, Uint8Array> {
  const tiles = new Map<string, Uint8Array>()
  let hashes = leaves
  for (let level = 0; level < countTileLevels(leaves.length); level++) {
    const parents: Uint8Array[] = []
    for (const tile of listTiles(level, leaves.length)) {
      const part = hashes.slice(tile.index * 256, tile.index * 256 + tile.width)
      const bytes = Buffer.concat(part)
      expect(splitTile(bytes)).toHaveLength(tile.width)
      tiles.set(formatTilePath(tile), bytes)
      if (tile.width === 256) parents.push(hashTile(part, sha256))
    }
    hashes = parents
  }
  return tiles
}
