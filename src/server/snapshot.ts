import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { FormerLog } from '../authority/audit/new-log.js'
import { openAuthority } from '../authority/authority.js'
import { fingerprintKek, openEnvelope } from '../authority/kek-check.js'
import { assertNoServer, type Installed, installState, type NewState } from '../authority/new-state.js'
import { BRIEF_LEASE } from '../authority/replica.js'
import type { AuditDraft } from '../core/audit-record.js'
import { AuthsecError } from '../core/errors.js'
import type { SnapshotEnd, SnapshotHeader } from '../core/snapshot.js'
import { SCHEMA_VERSION } from '../store/migrate.js'
import { createMarkFile } from './high-water.js'
import { type KeepLog, keepOldLog } from './old-log.js'
import { PASSWORD_FILE } from './seed-passwords.js'
import { openSnapshotFile, type SnapshotFile } from './snapshot-file.js'
import { type OpenState, openState, type StatePlace } from './state.js'

/** A state on which no server runs, and the key-encryption key of one that has none of its own. */
export interface OfflineState extends StatePlace {
  kek?: Uint8Array | undefined
  /** Milliseconds since the epoch. */
  clock?: () => number
}

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
  const { store, name, kek, close } = await openState(options, options.kek)
  try {
    const issuer = await store.settings.find('issuer')
    if (issuer === undefined) throw new AuthsecError('not_found', `${name} holds no state of a server`)
    const authority = await openAuthority({ store, kek, issuer, clock, replicaTimings: BRIEF_LEASE })
    return await authority.snapshots.save({ clone }, OFFLINE, write).finally(authority.close)
  } finally {
    await close()
  }
}

/** What a state is replaced with, and by whose leave. */
export interface ReplaceOptions extends OfflineState {
  /** Where the highest head of the log is kept, unless it is in the state directory. */
  auditHighWater?: string | undefined
  /** Asked before a state goes; throws where it may not. */
  confirm(current: { tenantId: string; name: string }): Promise<void>
  /** Keeps the log of the state that goes, as far as it is signed. */
  keepLog: KeepLog
}

/** What has taken the place of a state. */
export interface Replaced extends Installed {
  /** The log of the state that is gone; undefined where there was none. */
  old?: FormerLog | undefined
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
    const state = await openState(options, options.kek)
    try {
      const { header, end } = snapshot
      assertOwnKek(header, state)
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

/**
 * Empties a state: what is left is the name of its tenant, its issuer and its key-encryption key. Throws `not_found` where
 * there is none, `configuration` for that of a team, `conflict` and `state_locked` where a server runs.
 */
export async function resetState(options: ReplaceOptions): Promise<Replaced & { tenantId: string }> {
  const state = await openState(options, options.kek)
  const { store, name, kek } = state
  try {
    const [issuer, tenantId] = [await store.settings.find('issuer'), await store.settings.find('tenant_id')]
    if (issuer === undefined || tenantId === undefined) {
      throw new AuthsecError('not_found', `${name} holds no state of a server`)
    }
    if (issuer.startsWith('https:')) {
      throw new AuthsecError('configuration', `${name} is the state of a team`, {
        hint: 'Begin another one with authsec dev init; this one stays as it is.',
      })
    }
    const replaced = await replaceState(state, options, async (old) => ({
      tenantId,
      schema: SCHEMA_VERSION,
      rows: listSettings({ tenant_id: tenantId, issuer }),
      hasKeys: false,
      opensCredentials: true,
      kek,
      check: { version: 1, fingerprint: fingerprintKek(kek) },
      event: { type: 'state.reset', ...(old && { details: { old: { ...old } } }) },
    }))
    return { ...replaced, tenantId }
  } finally {
    await state.close()
  }
}

async function* listSettings(settings: Readonly<Record<string, string>>): NewState['rows'] {
  for (const [name, value] of Object.entries(settings)) yield { table: 'settings', row: { name, value } }
}

// What is sealed stays sealed: only the key under which it was opens it again.
function assertOwnKek({ clone, kek: theirs }: SnapshotHeader, { kek, name }: OpenState): void {
  const ours = fingerprintKek(kek)
  if (!clone || ours === theirs.fingerprint) return
  throw new AuthsecError(
    'state_unreadable',
    `the clone is sealed with the key-encryption key ${theirs.fingerprint}, and ${name} has ${ours}`,
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

async function replaceState(
  state: OpenState,
  options: ReplaceOptions,
  describe: (old: FormerLog | undefined) => Promise<NewState>,
): Promise<Replaced> {
  const { clock = Date.now } = options
  const tenantId = await state.store.settings.find('tenant_id')
  const old = tenantId === undefined ? undefined : await retire(state, options, tenantId)
  const installed = await installState(state.store, await describe(old), clock)
  // The random passwords of the seed open nothing any more: the next start makes new ones.
  if (state.directory !== undefined) rmSync(join(state.directory, PASSWORD_FILE), { force: true })
  return { ...installed, old }
}

/** Keeps the log of a state that is about to go. */
async function retire(state: OpenState, options: ReplaceOptions, tenantId: string): Promise<FormerLog> {
  const { store, name, kek, markFile } = state
  const { auditHighWater = markFile, clock = Date.now, confirm, keepLog } = options
  await openEnvelope(store, kek, tenantId)
  await assertNoServer(store, store)
  await confirm({ tenantId, name })
  const highWater = auditHighWater === undefined ? undefined : createMarkFile(auditHighWater)
  const issuer = (await store.settings.find('issuer')) ?? ''
  const authority = await openAuthority({ store, kek, issuer, clock, highWater, replicaTimings: BRIEF_LEASE })
  try {
    // A log that is not what it was goes as it is: whoever looks at it is told.
    await authority.sealing.seal().catch((error) => {
      if (!AuthsecError.is(error, 'state_rolled_back') && !AuthsecError.is(error, 'state_unreadable'))
        throw error
    })
    return (await keepOldLog(authority, store, highWater, keepLog)).former
  } finally {
    await authority.close()
  }
}
