import { TILE_WIDTH } from '../../core/log-tiles.js'
import { parseStoredRecord } from '../../core/stored-record.js'
import type { AuditQueries, Store } from '../../store/store.js'
import { startOfTimeOrderedIds } from '../time-ordered-id.js'
import type { AuditLog } from './log.js'
import type { Sealing } from './sealing.js'

/**
 * Takes old records out of the log, whose hashes stay, so that whatever has been signed can still be proven; and what is
 * kept about people beside them, which nothing has ever been signed over.
 */
export interface Retention {
  /** Prunes what has become too old, and says when to come back, in milliseconds since the epoch. */
  upkeep(): Promise<number | undefined>
}

export interface RetentionOptions {
  store: Store
  audit: Pick<AuditLog, 'record'>
  sealing: Pick<Sealing, 'seal'>
  clock: () => number
  /** How long a record is kept at least; default: for ever. */
  retentionSeconds?: number | undefined
  /** How long addresses and user agents are kept; default: as long as the records. */
  personalSeconds?: number | undefined
  /** Milliseconds of a clock that is never set. Default: this machine's. */
  readSteady?: () => number
}

/** How many bundles of records go at once, so that nobody waits long behind their deletion. */
const BUNDLES_AT_ONCE = 8
/** How long the clock has to have run on before anything goes by it: one that is wrong is set right, the log is not. */
const SETTLE_MS = 600_000
/** By how much it may depart from the steady one between two looks: what is less is how clocks are kept right. */
const TOLERANCE_MS = 2_000

export function createRetention(options: RetentionOptions): Retention {
  const { store, audit, sealing, clock, retentionSeconds, personalSeconds } = options
  const { readSteady = () => performance.now() } = options
  const keptMs = [retentionSeconds, personalSeconds].flatMap((seconds) => (seconds ? [seconds * 1000] : []))
  const settleMs = Math.min(SETTLE_MS, ...keptMs)
  let last: { wall: number; steady: number } | undefined
  let steppedAt = 0

  /** How long the clock still has to run on without being set, in milliseconds. */
  function untilSettled(wall: number): number {
    const steady = readSteady()
    const drift = last === undefined ? Number.POSITIVE_INFINITY : wall - last.wall - (steady - last.steady)
    if (Math.abs(drift) > TOLERANCE_MS) steppedAt = steady
    last = { wall, steady }
    return steppedAt + settleMs - steady
  }

  /** Below which index everything is too old: where a bundle begins, because bundles are what is published. */
  async function findBound(start: number, size: number, cutoff: number): Promise<number> {
    for (let bound = start; ; bound += TILE_WIDTH) {
      if (bound + TILE_WIDTH > size || bound >= start + BUNDLES_AT_ONCE * TILE_WIDTH) return bound
      const newest = await store.audit.findNewestTime(bound, bound + TILE_WIDTH)
      if (newest !== undefined && newest >= cutoff) return bound
    }
  }

  async function announce(bound: number): Promise<void> {
    await audit.record(async (transaction, add) => {
      // Another server may have been faster.
      if ((await findAnnounced(transaction.audit)) >= bound) return
      add({ type: 'audit.pruned', details: { below: bound, retention_seconds: retentionSeconds ?? null } })
    })
  }

  async function pruneRecords(now: number): Promise<void> {
    if (retentionSeconds === undefined) return
    const cutoff = now - retentionSeconds * 1000
    const size = (await store.auditTree.head())?.size ?? 0
    for (;;) {
      // What a crash has left undone comes first.
      const announced = await findAnnounced(store.audit)
      const first = await store.audit.first()
      const start = first === undefined ? announced : Math.max(announced, first - (first % TILE_WIDTH))
      const bound = await findBound(start, size, cutoff)
      if (bound > announced) await announce(bound)
      if (first === undefined || first >= bound) return
      // A log that lacks records says why, in what is signed, before it lacks them.
      await sealing.seal()
      await store.write(({ audit: records }) => records.prune(bound))
    }
  }

  async function erasePersonal(now: number): Promise<void> {
    if (personalSeconds === undefined) return
    const before = startOfTimeOrderedIds(now - personalSeconds * 1000)
    await store.write(({ audit: records }) => records.erasePersonal(before))
  }

  return {
    async upkeep() {
      if (retentionSeconds === undefined && personalSeconds === undefined) return undefined
      const now = clock()
      const wait = untilSettled(now)
      if (wait > 0) return now + wait
      // First, because it goes also while the log cannot be signed, and so not be pruned.
      await erasePersonal(now)
      await pruneRecords(now)
      return undefined
    },
  }
}

/** Below which index the log says that records have been taken out. */
async function findAnnounced(audit: AuditQueries): Promise<number> {
  const filter = [{ field: 'type', operator: '=', value: 'audit.pruned' } as const]
  const [last] = await audit.search({ filter, newest: true, limit: 1 })
  const below = last && parseStoredRecord(last).details?.['below']
  return typeof below === 'number' && Number.isSafeInteger(below) ? below : 0
}
