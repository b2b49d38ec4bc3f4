import type { FormerLog } from '../authority/audit/new-log.js'
import { openAuthority } from '../authority/authority.js'
import { fingerprintKek } from '../authority/kek-check.js'
import type { NewState } from '../authority/new-state.js'
import { readSetting } from '../authority/state-settings.js'
import type { AuditDraft } from '../core/audit-record.js'
import { AuthsecError } from '../core/errors.js'
import type { SnapshotEnd, SnapshotHeader } from '../core/snapshot.js'
import type { KeepLog } from './old-log.js'
import { type OfflineState, type Replaced, type ReplaceOptions, replaceState } from './replace-state.js'
import { openSnapshotFile, type SnapshotFile } from './snapshot-file.js'
import { hasDatabase, type OpenState, openState } from './state.js'
import { findOwnKek } from './state-kek.js'

/** What works on a state by itself. */
const OFFLINE = { requestId: 'command', source: 'dev snapshot' }

/**
 * Writes a snapshot of a state in a directory that no server has, or in a database. Throws `not_found` for an empty
 * state, and what `openState` throws.
 */
export async function saveSnapshot(
  options: OfflineState & { clone: boolean },
  write: (text: string) => Promise<void>,
): Promise<SnapshotEnd> {
  const { clone, clock = Date.now } = options
  const { store, kek, close } = await openState(options, options.kek, 'refuse')
  try {
    const issuer = await readSetting(store, 'issuer')
    const authority = await openAuthority({ store, kek, issuer, clock, isBrief: true })
    return await authority.snapshots.save({ clone }, OFFLINE, write).finally(authority.close)
  } finally {
    await close()
  }
}

export interface LoadOptions extends ReplaceOptions {
  file: string
  /** Keeps the log that is in the snapshot of a clone. */
  keepSnapshotLog: KeepLog
}

/**
 * Puts what is in a snapshot in the place of a state, all of it or nothing. Throws `not_found`, `state_newer` and
 * `state_unreadable` for a snapshot that cannot be loaded, `state_unreadable` for a clone under another
 * key-encryption key, `conflict` and `state_locked` where a server runs; in all these cases nothing is changed.
 */
export async function loadSnapshot(
  options: LoadOptions,
): Promise<Replaced & { header: SnapshotHeader; end: SnapshotEnd }> {
  const snapshot = await openSnapshotFile(options.file)
  try {
    const { header, end } = snapshot
    const { state: place = '', kek } = options
    // A place where there is nothing yet is left so.
    if (kek !== undefined || !hasDatabase(place)) assertOwnKek(header, kek ?? findOwnKek(place))
    const state = await openState(options, options.kek, 'fill')
    try {
      assertOwnKek(header, state.kek)
      const replaced = await replaceState(state, options, async (old) => {
        if (end.files > 0) await options.keepSnapshotLog(snapshot.logFiles())
        return describeSnapshot(snapshot, state, old)
      })
      return { ...replaced, header, end }
    } finally {
      await state.close()
    }
  } finally {
    await snapshot.close()
  }
}

// What is sealed stays sealed: only the key under which it was opens it again.
function assertOwnKek({ clone, kek: theirs }: SnapshotHeader, kek: Uint8Array | undefined): void {
  const ours = kek && fingerprintKek(kek)
  if (!clone || ours === theirs.fingerprint) return
  throw new AuthsecError(
    'state_unreadable',
    `the clone is sealed with the key-encryption key ${theirs.fingerprint}, and the state in whose place it goes has ${ours ?? 'none'}`,
    {
      hint: 'Give that key with --kek-file, or copy the file "kek" of the state that was saved into the new directory. Nothing has been changed.',
    },
  )
}

function describeSnapshot(
  { header, end, rows }: SnapshotFile,
  { kek }: OpenState,
  old: FormerLog | undefined,
): NewState {
  const { clone, created_at, schema, tenant_id: tenantId } = header
  const fingerprint = fingerprintKek(kek)
  const isSameKek = header.kek.fingerprint === fingerprint
  const event: AuditDraft = {
    type: 'state.restored',
    details: {
      cause: 'snapshot',
      snapshot: { created_at, clone, log: { ...end.log } },
      ...(old && { old: { ...old } }),
    },
  }
  return {
    tenantId,
    schema,
    rows: rows(),
    hasKeys: clone,
    opensCredentials: isSameKek,
    kek,
    check: { version: isSameKek ? header.kek.version : 1, fingerprint },
    event,
  }
}
