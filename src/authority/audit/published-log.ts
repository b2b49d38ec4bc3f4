import { formatAuditProof } from '../../core/audit-proof.js'
import { noSuchEvent } from '../../core/audit-record.js'
import { formatVerifierKey, parseCheckpoint } from '../../core/checkpoint.js'
import { AuthsecError } from '../../core/errors.js'
import { findTile, joinEntries, readNode, TILE_WIDTH, type Tile, tileAt } from '../../core/log-tiles.js'
import { HASH_BYTES, proveInclusion, type ReadNodes } from '../../core/merkle.js'
import type { Store } from '../../store/store.js'
import type { Keyring } from '../keys.js'
import { sha256, toVerifierKey } from './log-key.js'
import type { Sealing } from './sealing.js'

/** The log as anybody can check it: the signed head, tiles of hashes, the records, and proofs. */
export interface PublishedLog {
  /** The key that signs it now, as `name+id+key`. */
  readonly verifierKey: string
  /** The head that was signed last. Throws `not_found` while there is none. */
  checkpoint(): Promise<string>
  /** That key, and the last checkpoints that older keys signed along, the oldest first. */
  readKeys(): Promise<{ verifierKey: string; handovers: string[] }>
  /** A tile of hashes, or a bundle of records; undefined for what the signed log does not have. */
  readTile(tile: Tile): Promise<Uint8Array | undefined>
  /** The proof that the record of an event is in the log; signs the log first where it has to. Throws `not_found`. */
  prove(eventId: string): Promise<ProvenRecord>
}

export interface ProvenRecord {
  seq: number
  /** As C2SP tlog-proof. */
  proof: string
}

export interface PublishedLogOptions {
  store: Store
  keyring: Keyring
  sealing: Sealing
  logId: string
}

const utf8 = new TextEncoder()

export function createPublishedLog({ store, keyring, sealing, logId }: PublishedLogOptions): PublishedLog {
  const { audit, auditTree } = store

  async function readHead(): Promise<{ size: number; note: string }> {
    const head = await auditTree.head()
    if (head !== undefined) return head
    throw new AuthsecError('not_found', 'nothing of the audit log is signed yet')
  }

  async function readEntries({ index, width }: Tile): Promise<Uint8Array | undefined> {
    const start = index * TILE_WIDTH
    const found = await audit.search({ after: start - 1, limit: width })
    const records = new Map(found.map(({ seq, record }) => [seq, record]))
    const entries = Array.from({ length: width }, (_, at) => utf8.encode(records.get(start + at) ?? ''))
    return entries.some(({ length }) => length > 0) ? joinEntries(entries) : undefined
  }

  const nameKey = () => formatVerifierKey(toVerifierKey(keyring.audit.signing[0], logId))

  return {
    get verifierKey() {
      return nameKey()
    },
    checkpoint: async () => (await readHead()).note,

    async readKeys() {
      const handovers = await auditTree.listHandovers()
      return { verifierKey: nameKey(), handovers: handovers.map(({ note }) => note) }
    },

    async readTile(tile) {
      const { level, index, width } = tile
      if (width > tileAt(level, index, (await readHead()).size).width) return undefined
      if (level === 'entries') return readEntries(tile)
      const hashes = await auditTree.findTile(level, index)
      return hashes && hashes.length >= width * HASH_BYTES ? hashes.slice(0, width * HASH_BYTES) : undefined
    },

    async prove(eventId) {
      const found = await audit.find(eventId)
      if (found === undefined) throw noSuchEvent(eventId, (await audit.first()) ?? 0)
      if (found.seq >= ((await auditTree.head())?.size ?? 0)) await sealing.seal()
      const { note } = await readHead()
      const { size } = parseCheckpoint(note)
      const read: ReadNodes = (nodes) =>
        Promise.all(
          nodes.map(async (node) => {
            const { level, index } = findTile(node, size)
            const tile = await auditTree.findTile(level as number, index)
            const hash = tile && readNode(node, tile, sha256)
            if (hash !== undefined) return hash
            throw new AuthsecError('state_unreadable', `the hashes of the audit log at ${index} are damaged`)
          }),
        )
      const hashes = await proveInclusion(found.seq, size, read, sha256)
      const record = utf8.encode(found.record)
      return { seq: found.seq, proof: formatAuditProof({ index: found.seq, record, hashes, note }) }
    },
  }
}
