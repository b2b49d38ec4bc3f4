import { type FormerLog, startNewLog } from '../authority/audit/new-log.js'
import { openAuthority } from '../authority/authority.js'
import { openEnvelope } from '../authority/kek-check.js'
import { completeTimings, createKeyRules } from '../authority/key-sets.js'
import { assertNoServer } from '../authority/replica.js'
import { readSetting } from '../authority/state-settings.js'
import type { Checkpoint } from '../core/checkpoint.js'
import { AuthsecError } from '../core/errors.js'
import { type KeepLog, keepOldLog } from './old-log.js'
import { openState, type StatePlace } from './state.js'
import { assertMarkNamed } from './team-state.js'

export interface RecoverOptions extends StatePlace {
  kek?: Uint8Array | undefined
  /** Heads of logs that this machine has seen. */
  seenHeads?: readonly Checkpoint[] | undefined
  /** Keeps what is left of the old log before it goes, as far as it is signed. */
  keepLog: KeepLog
  /** Milliseconds since the epoch. */
  clock?: () => number
}

/** What has been given up, and what begins. */
export interface Recovered {
  /** The highest head of the old log that is known to have been signed. */
  old: FormerLog
  /** How many of its records were left. */
  kept: number
  /** The origin of the new log. */
  origin: string
}

/**
 * Lets a state that was rolled back start again, with a new log that says so, and without the keys that would revive
 * revoked tokens. Throws `conflict` where the log is whole or a server runs, `not_found` for an empty state, `usage` for
 * that of a team without its mark, and what `openState` throws.
 */
export async function recover(options: RecoverOptions): Promise<Recovered> {
  const { clock = Date.now, seenHeads = [], keepLog } = options
  const { store, name, kek, highWater, close } = await openState(options, options.kek, 'refuse')
  try {
    const issuer = await readSetting(store, 'issuer')
    assertMarkNamed(options, issuer)
    await assertNoServer(store, store)
    const authority = await openAuthority({
      store,
      kek,
      issuer,
      clock,
      highWater,
      seenHeads,
      isBrief: true,
    })
    try {
      await assertBroken(authority.sealing.seal(), name)
      const { identity } = authority
      const { former, kept } = await keepOldLog(
        authority,
        store,
        [...((await highWater?.read()) ?? []), ...seenHeads],
        keepLog,
      )
      const envelope = await openEnvelope(store, kek, identity)
      const rules = createKeyRules(completeTimings({}))
      const origin = await startNewLog({ store, envelope, rules, clock, ...identity }, former)
      return { old: former, kept, origin }
    } finally {
      await authority.close()
    }
  } finally {
    await close()
  }
}

async function assertBroken(sealing: Promise<void>, name: string): Promise<void> {
  const error = await sealing.then(
    () => undefined,
    (cause) => cause,
  )
  if (AuthsecError.is(error, 'state_rolled_back') || AuthsecError.is(error, 'state_unreadable')) return
  if (error !== undefined) throw error
  throw new AuthsecError('conflict', `the audit log of ${name} is whole: there is nothing to recover`)
}
