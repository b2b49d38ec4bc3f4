import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  createMerkleTree,
  foldPeaks,
  hashLeaf,
  listPeaks,
  proveConsistency,
  proveInclusion,
  type ReadNodes,
  verifyConsistency,
  verifyInclusion,
} from '../../src/core/merkle.js'
import { chooseSeed, countRounds, createRandom } from '../stress/rounds.js'

const MAX_SIZE = 10_000
const ROUNDS = countRounds(4)
// The proof of the paragraphs hashes everything anew each time.
const PATIENCE = 30_000 + ROUNDS * 5_000
const SMALL = Array.from({ length: 18 }, (_, size) => size)

const sha256 = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest()
const text = (hashes: readonly Uint8Array[]) => hashes.map((hash) => Buffer.from(hash).toString('hex'))

// RFC 6962 §2.1, written down as the paragraphs have it and with nothing of ours: slices of the list of entries.
function mth(entries: readonly Buffer[]): Buffer {
  if (entries.length === 0) return digest()
  if (entries.length === 1) return digest(Buffer.of(0), entries[0]!)
  const k = largestPowerBelow(entries.length)
  return digest(Buffer.of(1), mth(entries.slice(0, k)), mth(entries.slice(k)))
}

// §2.1.1
function path(m: number, entries: readonly Buffer[]): Buffer[] {
  if (entries.length === 1) return []
  const k = largestPowerBelow(entries.length)
  return m < k
    ? [...path(m, entries.slice(0, k)), mth(entries.slice(k))]
    : [...path(m - k, entries.slice(k)), mth(entries.slice(0, k))]
}

// §2.1.2
function subproof(m: number, entries: readonly Buffer[], b: boolean): Buffer[] {
  const n = entries.length
  if (m === n) return b ? [] : [mth(entries)]
  const k = largestPowerBelow(n)
  return m <= k
    ? [...subproof(m, entries.slice(0, k), b), mth(entries.slice(k))]
    : [...subproof(m - k, entries.slice(k), false), mth(entries.slice(0, k))]
}

function digest(...parts: readonly Buffer[]): Buffer {
  return createHash('sha256').update(Buffer.concat(parts)).digest()
}

function largestPowerBelow(n: number): number {
  return 2 ** Math.floor(Math.log2(n - 1))
}

const ENTRIES = Array.from({ length: MAX_SIZE }, (_, index) => Buffer.from(`entry ${index}`))
const LEAVES = ENTRIES.map((entry) => hashLeaf(entry, sha256))

// Perfect subtrees as the RFC has them, for whoever asks.
const read: ReadNodes = async (nodes) =>
  nodes.map(({ level, index }) => mth(ENTRIES.slice(index * 2 ** level, (index + 1) * 2 ** level)))

function rootOf(size: number): Uint8Array {
  const tree = createMerkleTree(sha256)
  for (const leaf of LEAVES.slice(0, size)) tree.append(leaf)
  expect(tree.size).toBe(size)
  return tree.root()
}

function chooseSizes(random: () => number): { from: number; to: number; index: number } {
  const to = 1 + Math.floor(random() * MAX_SIZE)
  return { to, from: Math.floor(random() * (to + 1)), index: Math.floor(random() * to) }
}

describe('the tree', () => {
  test.each(SMALL)('has the root of RFC 6962 with %i leaves', (size) => {
    expect(text([rootOf(size)])).toEqual(text([mth(ENTRIES.slice(0, size))]))
  })

  test(
    'has it with any other number too, whether it grew in one go or in two',
    async ({ annotate }) => {
      const seed = chooseSeed()
      await annotate(`seed ${seed}`)
      const random = createRandom(seed)
      for (let round = 0; round < ROUNDS; round++) {
        const { from, to } = chooseSizes(random)
        const expected = text([mth(ENTRIES.slice(0, to))])
        const tree = createMerkleTree(sha256, { size: from, peaks: await read(listPeaks(from)) })
        for (const leaf of LEAVES.slice(from, to)) tree.append(leaf)
        expect(text([tree.root()])).toEqual(expected)
        expect(text([foldPeaks(await read(listPeaks(to)), sha256)])).toEqual(expected)
      }
    },
    PATIENCE,
  )

  test.each([0, 1, 2, 3, 6, 7, 2 ** 32 + 5, Number.MAX_SAFE_INTEGER])(
    'of %d leaves is made of perfect subtrees that cover it',
    (size) => {
      const peaks = listPeaks(size)
      let next = 0
      for (const { level, index } of peaks) {
        expect(index * 2 ** level).toBe(next)
        next += 2 ** level
      }
      expect(next).toBe(size)
      expect(peaks.map(({ level }) => level)).toEqual(peaks.map(({ level }) => level).sort((a, b) => b - a))
    },
  )
})

describe('proofs', () => {
  test('are those of RFC 6962 for every small tree, and hold for nothing else', async () => {
    for (const to of SMALL.slice(1)) {
      const root = mth(ENTRIES.slice(0, to))
      for (let index = 0; index < to; index++) await assertInclusion(index, to, root)
      for (let from = 0; from <= to; from++) await assertConsistency(from, to, root)
    }
  })

  test(
    'are those of RFC 6962 for random trees of up to 10,000 leaves',
    async ({ annotate }) => {
      const seed = chooseSeed()
      await annotate(`seed ${seed}`)
      const random = createRandom(seed)
      for (let round = 0; round < ROUNDS; round++) {
        const { from, to, index } = chooseSizes(random)
        const root = mth(ENTRIES.slice(0, to))
        await assertInclusion(index, to, root)
        await assertConsistency(from, to, root)
      }
    },
    PATIENCE,
  )

  test.each([
    { index: -1, size: 3 },
    { index: 3, size: 3 },
    { index: 0, size: 0 },
    { index: Number.NaN, size: 3 },
  ])('of leaf $index in a tree of $size cannot be made', ({ index, size }) => {
    expect(() => proveInclusion(index, size, read, sha256)).toThrow(RangeError)
    const leaf = { hash: LEAVES[0]!, index }
    expect(verifyInclusion(leaf, { size, root: LEAVES[0]! }, [], sha256)).toBe(false)
  })

  test.each([
    { from: 4, to: 3 },
    { from: -1, to: 3 },
  ])('from $from to $to cannot be made', ({ from, to }) => {
    expect(() => proveConsistency(from, to, read, sha256)).toThrow(RangeError)
  })

  test('of a longer tree is no proof of a shorter one', () => {
    const shorter = { size: 3, root: rootOf(3) }
    expect(verifyConsistency({ size: 4, root: rootOf(4) }, shorter, [], sha256)).toBe(false)
  })
})

async function assertInclusion(index: number, size: number, root: Uint8Array): Promise<void> {
  const proof = await proveInclusion(index, size, read, sha256)
  expect(text(proof)).toEqual(text(path(index, ENTRIES.slice(0, size))))
  const leaf = { hash: LEAVES[index]!, index }
  const verify = (changed: typeof leaf, tree: { size: number; root: Uint8Array }, told: Uint8Array[]) =>
    verifyInclusion(changed, tree, told, sha256)

  expect(verify(leaf, { size, root }, proof)).toBe(true)
  expect(verify({ ...leaf, hash: digest(Buffer.from('another')) }, { size, root }, proof)).toBe(false)
  expect(verify(leaf, { size, root: digest(Buffer.from('another')) }, proof)).toBe(false)
  expect(verify(leaf, { size, root }, [...proof, LEAVES[0]!])).toBe(false)
  if (proof.length > 0) {
    expect(verify(leaf, { size, root }, proof.slice(1))).toBe(false)
    expect(verify(leaf, { size, root }, proof.slice(0, -1))).toBe(false)
    expect(verify({ ...leaf, index: (index + 1) % size }, { size, root }, proof)).toBe(false)
    for (let at = 0; at < proof.length; at++)
      expect(verify(leaf, { size, root }, spoil(proof, at))).toBe(false)
  }
}

async function assertConsistency(from: number, to: number, root: Uint8Array): Promise<void> {
  const proof = await proveConsistency(from, to, read, sha256)
  expect(text(proof)).toEqual(
    from === 0 || from === to ? [] : text(subproof(from, ENTRIES.slice(0, to), true)),
  )
  const older = { size: from, root: mth(ENTRIES.slice(0, from)) }
  const newer = { size: to, root }
  const other = digest(Buffer.from('another'))

  expect(verifyConsistency(older, newer, proof, sha256)).toBe(true)
  expect(verifyConsistency({ ...older, root: other }, newer, proof, sha256)).toBe(false)
  expect(verifyConsistency(older, newer, [...proof, LEAVES[0]!], sha256)).toBe(false)
  // An empty tree is the beginning of every other, whatever its root.
  if (from > 0) expect(verifyConsistency(older, { ...newer, root: other }, proof, sha256)).toBe(false)
  if (proof.length === 0) return
  expect(verifyConsistency(older, newer, proof.slice(1), sha256)).toBe(false)
  expect(verifyConsistency(older, newer, [], sha256)).toBe(false)
  for (let at = 0; at < proof.length; at++) {
    expect(verifyConsistency(older, newer, spoil(proof, at), sha256)).toBe(false)
  }
}

function spoil(proof: readonly Uint8Array[], at: number): Uint8Array[] {
  return proof.map((hash, index) => {
    if (index !== at) return hash
    const spoilt = Uint8Array.from(hash)
    spoilt[index % 32]! ^= 1 << (index % 8)
    return spoilt
  })
}
