import { type Checkpoint, isSignedBy, parseCheckpoint } from '../../core/checkpoint.js'
import { AuthsecError } from '../../core/errors.js'
import { countTileLevels, listTiles, splitTile, TILE_WIDTH } from '../../core/log-tiles.js'
import { equalHashes, hashLeaf } from '../../core/merkle.js'
import { createTileEdge, type GrownTile, type TileEdge } from '../../core/tile-edge.js'
import type { HashTile, SignedHead } from '../../store/audit-tree.js'
import { shareNext } from '../../store/share-next.js'
import type { Store, Transaction } from '../../store/store.js'
import type { Keyring } from '../keys.js'
import {
  assertHighest,
  createMemoryMark,
  findHighest,
  type HighWaterMark,
  rolledBack,
} from './highest-heads.js'
import { sha256, signHead, toVerifierKey, verifyEd25519 } from './log-key.js'

/** Signs the head of the log, behind the requests and never in their way. */
export interface Sealing {
  /**
   * Resolves once a head is signed that covers everything recorded before the call; whoever asks meanwhile shares
   * the next one. Throws `state_unreadable` where what is stored is not what was signed before: then nothing is.
   */
  seal(): Promise<void>
  /**
   * Makes the tiles anew from the records, as far as they are signed; says how many records that are. Throws
   * `state_unreadable` where they are not what was signed: then nothing is changed.
   */
  rebuildTiles(): Promise<number>
  /** Counts a record; many of them are not left waiting for the next turn of the clock. */
  count(): void
  /** Throws `temporarily_unavailable` where nothing could be signed for longer than so many milliseconds. */
  assertTimely(withinMs: number): void
}

export interface SealingOptions {
  store: Store
  keyring: Keyring
  /** The origin of the log. */
  logId: string
  clock: () => number
  /** Default: in the memory of this process. */
  highWater?: HighWaterMark | undefined
  /** Heads of logs that somebody has seen: what is signed here has to go on from that of this log. Default: none. */
  seenHeads?: readonly Checkpoint[] | undefined
  /** Throws where this run may sign nothing more; asked in the transaction that keeps a head. Default: never. */
  assertOwnState?: ((transaction: Transaction) => Promise<void>) | undefined
  /** Told what goes wrong where nobody waits for it. */
  onFailure?: ((error: unknown) => void) | undefined
  /** Milliseconds of a clock that is never set. Default: this machine's. */
  readSteady?: () => number
}

/** So many records are not left unsigned until the second is over. */
const SEAL_AFTER = 256
/** How many records one signature covers at most: a long log that has none yet gets it in steps. */
const MAX_STEP = 16_384
const READ_AT_ONCE = 1_024
const MAX_TRIES = 20

const utf8 = new TextEncoder()

export function createSealing(options: SealingOptions): Sealing {
  const { store, keyring, logId, clock, assertOwnState = async () => {}, onFailure = () => {} } = options
  const { readSteady = () => performance.now() } = options
  const highWater = options.highWater ?? createMemoryMark()
  const seen = options.seenHeads?.find(({ origin }) => origin === logId)
  let unsealed = 0
  let isChecked = false
  let failingSince: number | undefined

  const seal = shareNext(async () => {
    try {
      await sealAll()
      failingSince = undefined
    } catch (error) {
      failingSince ??= readSteady()
      throw error
    }
  })

  async function sealAll(): Promise<void> {
    unsealed = 0
    const target = (await store.audit.head()) + 1
    for (let tries = 0; tries < MAX_TRIES; ) {
      const last = await store.auditTree.head()
      const highest = findHighest(await highWater.read(), logId)
      assertHighest(last, highest)
      const from = last?.size ?? 0
      if (from >= target && isChecked) {
        // Another server has signed that, or the mark could not be kept when it was signed here.
        if (last !== undefined && from > (highest?.size ?? 0)) await highWater.raise(last.note)
        return
      }
      const edge = await openEdge(last)
      if (!isChecked) await assertGoesOnFromSeen(last)
      // The first time also where there is nothing to sign: nothing is added to a log that is not the one that was
      // signed.
      isChecked = true
      if (from >= target) return
      await growEdge(edge)
      if (await advance(edge, from, last)) tries = 0
      else tries++
    }
    throw new AuthsecError('temporarily_unavailable', 'other servers sign the log all the time')
  }

  /** The end of the log as it was signed last. Whatever is signed next goes on from there, and so agrees with it. */
  async function openEdge(last: SignedHead | undefined): Promise<TileEdge> {
    if (last === undefined) return createTileEdge(sha256)
    const edge = await readEdge(last.size)
    if (isSigned(edge, last)) return edge
    // The tiles follow from the records: where these are still those that were signed, nothing is lost.
    await rebuild(last)
    return readEdge(last.size)
  }

  async function readEdge(size: number): Promise<TileEdge> {
    return createTileEdge(sha256, { size, lastTiles: await readLastTiles(size) })
  }

  function isSigned(edge: TileEdge, last: SignedHead): boolean {
    const { origin, root } = readOwnHead(last, keyring, logId)
    return origin === logId && equalHashes(edge.root(), root)
  }

  // By the tiles, which are still there of what has been pruned.
  async function assertGoesOnFromSeen(last: SignedHead | undefined): Promise<void> {
    if (seen === undefined) return
    const size = last?.size ?? 0
    if (seen.size > size)
      throw rolledBack(`ends at ${size}, and was seen on this machine with ${seen.size} records`)
    if (equalHashes((await readEdge(seen.size)).root(), seen.root)) return
    throw rolledBack(`is another one than it was when it was seen on this machine with ${seen.size} records`)
  }

  async function rebuild(last: SignedHead): Promise<void> {
    // Of what has been pruned only the tiles are left; where it ends, a new one begins.
    const first = (await store.audit.first()) ?? 0
    const rebuilt = await readEdge(Math.min(first - (first % TILE_WIDTH), last.size))
    await growEdge(rebuilt, last.size)
    if (isSigned(rebuilt, last)) {
      const tiles = rebuilt.takeGrown().map(toStoredTile)
      return store.write(({ auditTree }) => auditTree.replaceTiles(tiles))
    }
    throw new AuthsecError(
      'state_unreadable',
      `the audit log is not the one that was signed at ${last.size}`,
      {
        hint: 'Keep the store for inspection and see what is left of it with authsec audit verify.',
      },
    )
  }

  function readLastTiles(size: number): Promise<Uint8Array[][]> {
    const levels = Array.from({ length: countTileLevels(size) }, (_, level) => listTiles(level, size).at(-1))
    return Promise.all(
      levels.map(async (tile, level) => {
        if (tile === undefined || tile.width === TILE_WIDTH) return []
        const hashes = await store.auditTree.findTile(level, tile.index)
        return splitTile(hashes ?? new Uint8Array()).slice(0, tile.width)
      }),
    )
  }

  async function growEdge(edge: TileEdge, end: number = edge.size + MAX_STEP): Promise<void> {
    for (let isMore = true; isMore && edge.size < end; ) {
      const limit = Math.min(READ_AT_ONCE, end - edge.size)
      const records = await store.audit.search({ after: edge.size - 1, limit })
      for (const { seq, record } of records) {
        if (seq !== edge.size) {
          throw new AuthsecError('state_unreadable', `the record ${edge.size} of the audit log is missing`)
        }
        edge.append(hashLeaf(utf8.encode(record), sha256))
      }
      isMore = records.length === limit
    }
  }

  async function advance(edge: TileEdge, from: number, last: SignedHead | undefined): Promise<boolean> {
    const { signing } = keyring.audit
    const { size } = edge
    const note = signHead({ origin: logId, size, root: edge.root() }, signing)
    const keepsLast = last !== undefined && signersOf(last.note) !== signersOf(note)
    const tiles = edge.takeGrown().map(toStoredTile)
    // A write may run more than once.
    const isDone = await store.write(async (transaction) => {
      const { audit, auditTree, keys: stored } = transaction
      await assertOwnState(transaction)
      // Another key has taken over: it has to sign what covers that.
      if ((await stored.findState(signing[0].kid)) !== 'active') return false
      const to = { size, note, signedAt: clock(), keepsLast }
      if (!(await auditTree.advance(from, to, tiles))) return false
      await audit.index(size)
      return true
    })
    if (isDone) await highWater.raise(note)
    else await keyring.refresh()
    return isDone
  }

  return {
    seal,
    async rebuildTiles() {
      const last = await store.auditTree.head()
      if (last !== undefined) await rebuild(last)
      return last?.size ?? 0
    },
    count() {
      unsealed++
      if (unsealed === SEAL_AFTER) seal().catch(onFailure)
    },
    assertTimely(withinMs) {
      if (failingSince === undefined || readSteady() - failingSince <= withinMs) return
      throw new AuthsecError('temporarily_unavailable', 'the audit log could not be signed for a while', {
        hint: 'The server says in its log why: what it records is kept, and signed as soon as it can be.',
      })
    },
  }
}

/** Reads the head that was signed last, which has to bear the signature of a key of ours. */
function readOwnHead({ note }: SignedHead, { audit }: Keyring, logId: string): Checkpoint {
  const head = parseCheckpoint(note)
  const keys = audit.known.map((key) => toVerifierKey(key, logId))
  if (keys.some((key) => isSignedBy(head, key, verifyEd25519))) return head
  throw new AuthsecError(
    'state_unreadable',
    'the last checkpoint of the audit log is signed by no key of it',
    {
      hint: 'Keep the store for inspection, and restore the state from a backup.',
    },
  )
}

function signersOf(note: string): string {
  return parseCheckpoint(note)
    .signatures.map(({ keyId }) => keyId)
    .join(' ')
}

function toStoredTile({ level, index, hashes }: GrownTile): HashTile {
  return { level, index, hashes: new Uint8Array(Buffer.concat(hashes)) }
}
