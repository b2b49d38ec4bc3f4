import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { FormerLog } from '../authority/audit/new-log.js'
import { openAuthority } from '../authority/authority.js'
import { openEnvelope } from '../authority/kek-check.js'
import { type Installed, installState, type NewState } from '../authority/new-state.js'
import { assertNoServer } from '../authority/replica.js'
import { AuthsecError } from '../core/errors.js'
import { type KeepLog, keepOldLog } from './old-log.js'
import { PASSWORD_FILE } from './seed-passwords.js'
import type { OpenState, StatePlace } from './state.js'
import { assertMarkNamed } from './team-state.js'

/** A state on which no server runs, and the key-encryption key of one that has none of its own. */
export interface OfflineState extends StatePlace {
  kek?: Uint8Array | undefined
  /** Milliseconds since the epoch. */
  clock?: () => number
}

/** What a state is replaced with, and by whose leave. */
export interface ReplaceOptions extends OfflineState {
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

/**
 * Puts another state in the place of one, whose log is kept first. Throws `conflict` where a server runs on it, and
 * `usage` for that of a team without its mark.
 */
export async function replaceState(
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
  const { store, name, kek, highWater } = state
  const { clock = Date.now, confirm, keepLog } = options
  const issuer = (await store.settings.find('issuer')) ?? ''
  assertMarkNamed(options, issuer)
  const logId = (await store.settings.find('log_id')) ?? ''
  await openEnvelope(store, kek, { tenantId, logId })
  await assertNoServer(store, store)
  await confirm({ tenantId, name })
  const authority = await openAuthority({ store, kek, issuer, clock, highWater, isBrief: true })
  try {
    // A log that is not what it was goes as it is: whoever looks at it is told.
    await authority.sealing.seal().catch((error) => {
      if (!AuthsecError.is(error, 'state_rolled_back') && !AuthsecError.is(error, 'state_unreadable'))
        throw error
    })
    return (await keepOldLog(authority, store, (await highWater?.read()) ?? [], keepLog)).former
  } finally {
    await authority.close()
  }
}
