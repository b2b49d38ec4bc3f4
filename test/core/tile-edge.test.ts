import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { countTileLevels, hashTile, listTiles, tileAt } from '../../src/core/log-tiles.js'
import { createMerkleTree, hashLeaf } from '../../src/core/merkle.js'
import { createTileEdge } from '../../src/core/tile-edge.js'

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()
const LEAVES = Array.from({ length: 66_000 }, (_, index) => hashLeaf(Buffer.from(`entry ${index}`), sha256))

describe('the edge of a log', () => {
  test.each([
    { sizes: [1] },
    { sizes: [1, 2, 3] },
    { sizes: [255, 256, 257] },
    { sizes: [256, 512, 600] },
    { sizes: [1_000, 65_535, 65_536, 65_537] },
    { sizes: [66_000] },
  ])('grows the same tiles and the same root whatever the steps: $sizes', ({ sizes }) => {
    const stored = new Map<string, readonly Uint8Array[]>()
    const tree = createMerkleTree(sha256)
    let size = 0
    for (const next of sizes) {
      const lastTiles = Array.from({ length: countTileLevels(size) }, (_, level) => {
        const last = listTiles(level, size).at(-1)
        const hashes = last && last.width < 256 ? stored.get(`${level}/${last.index}`) : undefined
        return hashes ?? []
      })
      const edge = createTileEdge(sha256, { size, lastTiles })
      for (const leaf of LEAVES.slice(size, next)) {
        edge.append(leaf)
        tree.append(leaf)
      }
      expect(edge.size).toBe(next)
      expect(Buffer.from(edge.root())).toEqual(Buffer.from(tree.root()))
      for (const { level, index, hashes } of edge.takeGrown()) {
        expect(hashes).toHaveLength(tileAt(level, index, next).width)
        stored.set(`${level}/${index}`, hashes)
      }
      size = next
    }
    assertTiles(stored, size)
  })

  test('has nothing to tell where nothing has grown', () => {
    const edge = createTileEdge(sha256)
    expect(edge.takeGrown()).toEqual([])
    expect(Buffer.from(edge.root())).toEqual(sha256(new Uint8Array()))
  })
})

function assertTiles(stored: ReadonlyMap<string, readonly Uint8Array[]>, size: number): void {
  let hashes: readonly Uint8Array[] = LEAVES.slice(0, size)
  for (let level = 0; level < countTileLevels(size); level++) {
    const parents: Uint8Array[] = []
    for (const { index, width } of listTiles(level, size)) {
      const expected = hashes.slice(index * 256, index * 256 + width)
      const found = stored.get(`${level}/${index}`) ?? []
      expect(Buffer.concat(found).equals(Buffer.concat(expected))).toBe(true)
      if (width === 256) parents.push(hashTile(expected, sha256))
    }
    hashes = parents
  }
}
