import type { Kysely } from 'kysely'
import type { AuditHeadRow, Schema } from './schema.js'

/** The head of the log at one size, as it was signed. */
export interface SignedHead {
  size: number
  /** The checkpoint, verbatim. */
  note: string
  signedAt: number
}

/** A tile of hashes, as far as it has grown. */
export interface HashTile {
  level: number
  index: number
  hashes: Uint8Array
}

/** The hashes above the records, and the heads that have been signed. All but the signatures follows from the records. */
export interface AuditTreeQueries {
  /** The head that was signed last. */
  head(): Promise<SignedHead | undefined>
  /** The last heads before other keys signed, the oldest first: by them an old key vouches for a new one. */
  listHandovers(): Promise<SignedHead[]>
  findTile(level: number, index: number): Promise<Uint8Array | undefined>
}

export interface AuditTreeChanges extends AuditTreeQueries {
  /**
   * Puts a new head, and the tiles that have grown to it, in the place of the one with the size `from`; that one is
   * kept where the next is signed by others. False where somebody else has signed meanwhile: then nothing is done.
   */
  advance(from: number, to: SignedHead & { keepsLast: boolean }, tiles: readonly HashTile[]): Promise<boolean>
  /** Forgets every head and tile: another log begins. */
  clear(): Promise<void>
  /** Puts tiles in the place of what was there. */
  replaceTiles(tiles: readonly HashTile[]): Promise<void>
}

export function createAuditTree(db: Kysely<Schema>): AuditTreeChanges {
  async function head(): Promise<SignedHead | undefined> {
    const row = await db
      .selectFrom('audit_heads')
      .selectAll()
      .orderBy('size', 'desc')
      .limit(1)
      .executeTakeFirst()
    return row && toHead(row)
  }

  async function replaceTiles(tiles: readonly HashTile[]): Promise<void> {
    for (const { level, index, hashes } of tiles) {
      await db
        .insertInto('audit_tiles')
        .values({ level, tile: index, hashes })
        .onConflict((conflict) => conflict.columns(['level', 'tile']).doUpdateSet({ hashes }))
        .execute()
    }
  }

  return {
    head,
    replaceTiles,
    async listHandovers() {
      const rows = await db
        .selectFrom('audit_heads')
        .selectAll()
        .where('handover', '=', 1)
        .orderBy('size')
        .execute()
      return rows.map(toHead)
    },
    async findTile(level, index) {
      const row = await db
        .selectFrom('audit_tiles')
        .select('hashes')
        .where('level', '=', level)
        .where('tile', '=', index)
        .executeTakeFirst()
      return row?.hashes
    },
    async clear() {
      await db.deleteFrom('audit_heads').execute()
      await db.deleteFrom('audit_tiles').execute()
    },
    async advance(from, { size, note, signedAt, keepsLast }, tiles) {
      if (((await head())?.size ?? 0) !== from) return false
      const last = db.updateTable('audit_heads').set({ handover: 1 }).where('size', '=', from)
      const passed = db.deleteFrom('audit_heads').where('size', '=', from).where('handover', '=', 0)
      await (keepsLast ? last : passed).execute()
      await db.insertInto('audit_heads').values({ size, note, signed_at: signedAt, handover: 0 }).execute()
      await replaceTiles(tiles)
      return true
    },
  }
}

function toHead({ size, note, signed_at }: AuditHeadRow): SignedHead {
  return { size: Number(size), note, signedAt: signed_at }
}
