/** SHA-256, as the platform of the caller has it; it keeps nothing of the bytes that it is given. */
export type Sha256 = (bytes: Uint8Array) => Uint8Array

/** A perfect subtree: the `2 ** level` leaves from `index * 2 ** level` on. */
export interface TreeNode {
  level: number
  index: number
}

/** Gives the hashes of perfect subtrees, in the order in which they are asked for. */
export type ReadNodes = (nodes: readonly TreeNode[]) => Promise<readonly Uint8Array[]>

/** A Merkle tree that only grows, kept as the hashes of its perfect subtrees: one for each bit of its size. */
export interface MerkleTree {
  readonly size: number
  append(leafHash: Uint8Array): void
  root(): Uint8Array
}

/** How many bytes a hash has. */
export const HASH_BYTES = 32

/**
 * The hash in a text of one character for each byte, as which Node gives it several times as fast as in a buffer: that
 * of a hash costs more than the hash.
 */
export function readHashText(text: string): Uint8Array {
  const hash = new Uint8Array(HASH_BYTES)
  for (let at = 0; at < HASH_BYTES; at++) hash[at] = text.charCodeAt(at)
  return hash
}

const LEAF = 0x00
const INNER = 0x01

// What is hashed stands here only for as long as that takes: to make room for each of a million costs more than to hash
// it.
let leafInput = Uint8Array.of(LEAF)
const innerInput = new Uint8Array(1 + 2 * HASH_BYTES)
innerInput[0] = INNER

/** The hash of a leaf, RFC 6962 §2.1. */
export function hashLeaf(entry: Uint8Array, sha256: Sha256): Uint8Array {
  const { length } = entry
  if (leafInput.length <= length) {
    leafInput = new Uint8Array(2 * (length + 1))
    leafInput[0] = LEAF
  }
  leafInput.set(entry, 1)
  return sha256(leafInput.subarray(0, length + 1))
}

/** The hash of the node above two others, RFC 6962 §2.1. */
export function hashPair(left: Uint8Array, right: Uint8Array, sha256: Sha256): Uint8Array {
  innerInput.set(left, 1)
  innerInput.set(right, 1 + HASH_BYTES)
  return sha256(innerInput)
}

/** Creates an empty tree, or one that goes on from the peaks of an older one (`listPeaks` of its size). */
export function createMerkleTree(
  sha256: Sha256,
  from: { size: number; peaks: readonly Uint8Array[] } = { size: 0, peaks: [] },
): MerkleTree {
  const peaks = [...from.peaks]
  let size = from.size
  return {
    get size() {
      return size
    },
    append(leafHash) {
      let hash = leafHash
      // Every one at the end of the size is a peak that the new leaf completes.
      for (let rest = size; rest % 2 === 1; rest = Math.floor(rest / 2)) {
        hash = hashPair(peaks.pop() as Uint8Array, hash, sha256)
      }
      peaks.push(hash)
      size++
    },
    root: () => foldPeaks(peaks, sha256),
  }
}

/** The perfect subtrees of which a tree consists, the largest first. */
export function listPeaks(size: number): TreeNode[] {
  return listNodes({ start: 0, end: size })
}

/** The root of a tree whose peaks are given, the largest first; of an empty tree the hash of nothing. */
export function foldPeaks(peaks: readonly Uint8Array[], sha256: Sha256): Uint8Array {
  if (peaks.length === 0) return sha256(new Uint8Array())
  return peaks.reduceRight((right, left) => hashPair(left, right, sha256))
}

/**
 * The inclusion proof of a leaf, RFC 6962 §2.1.1: the hash beside the leaf first. Throws a `RangeError` for a leaf
 * that the tree does not have.
 */
export function proveInclusion(
  index: number,
  size: number,
  read: ReadNodes,
  sha256: Sha256,
): Promise<Uint8Array[]> {
  if (!(index >= 0 && index < size)) throw new RangeError(`no leaf ${index} in a tree of ${size}`)
  return readRanges(listInclusionRanges(index, { start: 0, end: size }), read, sha256)
}

/** The proof that a tree contains an older one, RFC 6962 §2.1.2; empty where there is nothing to prove. */
export function proveConsistency(
  from: number,
  to: number,
  read: ReadNodes,
  sha256: Sha256,
): Promise<Uint8Array[]> {
  if (!(from >= 0 && from <= to)) throw new RangeError(`a tree of ${to} contains none of ${from}`)
  const ranges = from === 0 || from === to ? [] : listConsistencyRanges(from, { start: 0, end: to }, true)
  return readRanges(ranges, read, sha256)
}

/** Whether a leaf is in the tree with this root, RFC 9162 §2.1.3.2. */
export function verifyInclusion(
  leaf: { hash: Uint8Array; index: number },
  tree: { size: number; root: Uint8Array },
  proof: readonly Uint8Array[],
  sha256: Sha256,
): boolean {
  if (!(leaf.index >= 0 && leaf.index < tree.size)) return false
  let [position, last] = [leaf.index, tree.size - 1]
  let hash = leaf.hash
  for (const other of proof) {
    if (last === 0) return false
    if (position % 2 === 1 || position === last) {
      hash = hashPair(other, hash, sha256)
      while (position % 2 === 0 && position !== 0) {
        position = Math.floor(position / 2)
        last = Math.floor(last / 2)
      }
    } else {
      hash = hashPair(hash, other, sha256)
    }
    position = Math.floor(position / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 && equalHashes(hash, tree.root)
}

/** Whether the tree `to` begins with the tree `from`, RFC 9162 §2.1.4.2. */
export function verifyConsistency(
  from: { size: number; root: Uint8Array },
  to: { size: number; root: Uint8Array },
  proof: readonly Uint8Array[],
  sha256: Sha256,
): boolean {
  if (from.size === to.size) return proof.length === 0 && equalHashes(from.root, to.root)
  if (from.size === 0) return proof.length === 0 && equalHashes(from.root, foldPeaks([], sha256))
  if (from.size > to.size) return false

  let [position, last] = [from.size - 1, to.size - 1]
  while (position % 2 === 1) {
    position = Math.floor(position / 2)
    last = Math.floor(last / 2)
  }
  // A tree of a power of two is a node of the larger one: its root need not be told.
  const [first, ...others] = position === 0 ? [from.root, ...proof] : proof
  if (first === undefined) return false
  let [older, newer] = [first, first]
  for (const other of others) {
    if (last === 0) return false
    if (position % 2 === 1 || position === last) {
      older = hashPair(other, older, sha256)
      newer = hashPair(other, newer, sha256)
      while (position % 2 === 0 && position !== 0) {
        position = Math.floor(position / 2)
        last = Math.floor(last / 2)
      }
    } else {
      newer = hashPair(newer, other, sha256)
    }
    position = Math.floor(position / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 && equalHashes(older, from.root) && equalHashes(newer, to.root)
}

/** Whether two hashes are the same. */
export function equalHashes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index])
}

/** Some leaves in a row; `start` is a multiple of the largest power of two that fits. */
interface Range {
  start: number
  end: number
}

function listInclusionRanges(index: number, { start, end }: Range): Range[] {
  if (end - start === 1) return []
  const middle = start + splitSize(end - start)
  const [own, other] = [
    { start, end: middle },
    { start: middle, end },
  ]
  return index < middle
    ? [...listInclusionRanges(index, own), other]
    : [...listInclusionRanges(index, other), own]
}

// §2.1.2, SUBPROOF: `isWhole` while what is left of the older tree is the whole of it, whose root is known.
function listConsistencyRanges(from: number, { start, end }: Range, isWhole: boolean): Range[] {
  if (from === end) return isWhole ? [] : [{ start, end }]
  const middle = start + splitSize(end - start)
  return from <= middle
    ? [...listConsistencyRanges(from, { start, end: middle }, isWhole), { start: middle, end }]
    : [...listConsistencyRanges(from, { start: middle, end }, false), { start, end: middle }]
}

async function readRanges(ranges: readonly Range[], read: ReadNodes, sha256: Sha256): Promise<Uint8Array[]> {
  const nodes = ranges.map(listNodes)
  const hashes = await read(nodes.flat())
  let next = 0
  return nodes.map(({ length }) => {
    next += length
    return foldPeaks(hashes.slice(next - length, next), sha256)
  })
}

function listNodes({ start, end }: Range): TreeNode[] {
  const nodes: TreeNode[] = []
  let from = start
  for (let level = Math.ceil(Math.log2(Math.max(1, end - start))); from < end; level--) {
    const width = 2 ** level
    if (width > end - from) continue
    nodes.push({ level, index: from / width })
    from += width
  }
  return nodes
}

// The largest power of two that is smaller.
function splitSize(size: number): number {
  let split = 1
  while (split * 2 < size) split *= 2
  return split
}
