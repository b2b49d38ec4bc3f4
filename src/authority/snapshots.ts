import { createHash } from 'node:crypto'
import type { AuditParty } from '../core/audit-record.js'
import { encodeBase64 } from '../core/base64.js'
import { parseCheckpoint } from '../core/checkpoint.js'
import { readLogFiles } from '../core/log-source.js'
import { formatSnapshotLine, type SignedLog, type SnapshotEnd, type SnapshotLine } from '../core/snapshot.js'
import { formatTime } from '../core/time.js'
import { SCHEMA_VERSION } from '../store/migrate.js'
import type { StoredRow } from '../store/state-copy.js'
import type { Store } from '../store/store.js'
import type { AuditLog, Provenance } from './audit/log.js'
import type { PublishedLog } from './audit/published-log.js'
import type { Sealing } from './audit/sealing.js'
import { readKekCheck } from './kek-check.js'
import { TIMINGS_SETTING } from './timings.js'

/** Copies of the whole state, for `authsec dev snapshot`. */
export interface Snapshots {
  /**
   * Writes a snapshot, all of it as the state was at one moment, and records that before anything is written.
   * Without `clone` it holds no key, no session and no record of the log, and nothing that any of these opens. Where
   * the store is one process's own, nobody is served until `write` has taken everything: it only puts it into a file.
   */
  save(
    options: { clone: boolean; by?: AuditParty },
    provenance: Provenance,
    write: (text: string) => Promise<void>,
  ): Promise<SnapshotEnd>
}

export interface SnapshotsOptions {
  store: Store
  audit: AuditLog
  sealing: Sealing
  publishedLog: PublishedLog
  identity: { tenantId: string; issuer: string }
  clock: () => number
}

/** What a state is about. */
const STATE_TABLES: readonly string[] = [
  'settings',
  'users',
  'roles',
  'role_bindings',
  'passwords',
  'clients',
  'resources',
  'trust_rules',
  'policies',
  'delegations',
  'external_services',
]
/** What its keys have signed or are asked about. */
const CLONE_TABLES: readonly string[] = [
  ...STATE_TABLES,
  'keys',
  'sessions',
  'approvals',
  'agent_actions',
  'used_tokens',
  'revoked_tokens',
  'used_assertions',
]
/** The others are about the store or its log, which are other ones after a load. */
const STATE_SETTINGS: readonly string[] = ['tenant_id', 'issuer', 'seed', 'seeded_agent']
const CLONE_SETTINGS: readonly string[] = [...STATE_SETTINGS, 'ephemeral_keys', TIMINGS_SETTING]

/** Whether a snapshot has this row. */
export function isInSnapshot(clone: boolean, table: string, row: StoredRow): boolean {
  const settings = clone ? CLONE_SETTINGS : STATE_SETTINGS
  if (table === 'settings') return settings.includes(row['name'] as string)
  return (clone ? CLONE_TABLES : STATE_TABLES).includes(table)
}

export function createSnapshots(options: SnapshotsOptions): Snapshots {
  const { store, audit, sealing, publishedLog, identity, clock } = options

  async function readHead(): Promise<{ note: string; log: SignedLog }> {
    await sealing.seal()
    const note = await publishedLog.checkpoint()
    const { origin, size, root } = parseCheckpoint(note)
    return { note, log: { origin, size, root: encodeBase64(root) } }
  }

  return {
    async save({ clone, by }, provenance, write) {
      const draft = { type: 'state.saved', actor: by, details: { clone } } as const
      await audit.attempt(draft, provenance, (attempt) => attempt.commit())
      const kek = await readKekCheck(store)
      const lines = createLineWriter(write)
      await lines.add({
        header: {
          authsec_snapshot: 1,
          schema: SCHEMA_VERSION,
          clone,
          created_at: formatTime(clock()),
          tenant_id: identity.tenantId,
          issuer: identity.issuer,
          kek,
        },
      })
      const rows: Record<string, number> = {}
      await store.copy(clone ? CLONE_TABLES : STATE_TABLES, async (table, page) => {
        const kept = page.filter((row) => isInSnapshot(clone, table, row))
        rows[table] = (rows[table] ?? 0) + kept.length
        await lines.add(...kept.map((row) => ({ table, row: clone ? row : forget(table, row) })))
      })
      // Afterwards, so that the log tells at least of everything that is in the tables.
      const { note, log } = await readHead()
      let files = 0
      if (clone) {
        for await (const file of readLogFiles(publishedLog, { note, size: log.size })) {
          await lines.add(file)
          files++
        }
      }
      return await lines.end({ rows, files, log })
    },
  }
}

// A base token is signed with a key that stays behind: whoever loads the delegation signs another one.
function forget(table: string, row: StoredRow): StoredRow {
  return table === 'delegations' ? { ...row, token: new Uint8Array() } : row
}

function createLineWriter(write: (text: string) => Promise<void>) {
  const hash = createHash('sha256')
  return {
    async add(...lines: readonly SnapshotLine[]): Promise<void> {
      const text = lines.map((line) => `${formatSnapshotLine(line)}\n`).join('')
      hash.update(text)
      await write(text)
    },
    async end(facts: Omit<SnapshotEnd, 'sha256'>): Promise<SnapshotEnd> {
      const end = { ...facts, sha256: hash.digest('hex') }
      await write(`${formatSnapshotLine({ end })}\n`)
      return end
    },
  }
}
