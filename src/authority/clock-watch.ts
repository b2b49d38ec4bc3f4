import { AuthsecError } from '../core/errors.js'
import { parseStoredRecord } from '../core/stored-record.js'
import { formatTime } from '../core/time.js'
import type { Store } from '../store/store.js'
import type { AuditLog } from './audit/log.js'

/** The clock of a server, watched for steps back: a clock that is set back revives what has expired. */
export interface ClockWatch {
  /** Milliseconds since the epoch. */
  read(): number
  /**
   * Throws `temporarily_unavailable` while the clock is further behind than the skew: nothing may be signed then, nor
   * told to be alive.
   */
  assertForward(): void
  /**
   * Holds the clock against the end of the log, before anything else is recorded. Throws `configuration` where it is
   * further behind than the skew, unless that is accepted, and `state_unreadable` where that end is damaged.
   */
  resume(store: Pick<Store, 'audit' | 'auditTree' | 'isAlone'>, isAccepted: boolean): Promise<void>
  /** Records the steps back that are not yet recorded, as `clock.stepped`. */
  recordSteps(audit: Pick<AuditLog, 'record'>): Promise<void>
}

interface Step {
  from: number
  to: number
}

/** What is less is how computers are set right, and how two of them differ. */
const TOLERANCE_MS = 500

export function createClockWatch(clock: () => number, skewSeconds: number): ClockWatch {
  let highest = Number.NEGATIVE_INFINITY
  let last = Number.NEGATIVE_INFINITY
  let steps: Step[] = []

  function look(): number {
    const now = clock()
    if (now < last - TOLERANCE_MS) steps.push({ from: last, to: now })
    last = now
    highest = Math.max(highest, now)
    return now
  }

  const isBehind = (now: number) => now < highest - skewSeconds * 1000

  return {
    read: look,

    assertForward() {
      if (!isBehind(look())) return
      throw new AuthsecError(
        'temporarily_unavailable',
        `the clock was set back by ${tellSpan(highest - last)}`,
        {
          hint: 'No token is issued or used up until it is right; where it is, restart the server with --accept-clock.',
        },
      )
    },

    async resume({ audit, auditTree, isAlone }, isAccepted) {
      const known = await readEnd(audit, auditTree)
      if (known === undefined) return
      highest = Math.max(highest, known)
      // Clocks of several servers differ; that of one has been set back.
      if (isAlone || isBehind(last)) last = known
      const now = look()
      if (!isBehind(now)) return
      if (!isAccepted) {
        throw new AuthsecError(
          'configuration',
          `the clock is ${tellSpan(known - now)} behind the audit log, which ends at ${formatTime(known)}`,
          {
            hint: 'Set it right. Where it is right, start once with --accept-clock: tokens that had expired live again.',
          },
        )
      }
      highest = now
    },

    async recordSteps(audit) {
      if (steps.length === 0) return
      const noticed = steps
      steps = []
      try {
        await audit.record(async (_transaction, add) => {
          for (const { from, to } of noticed) {
            const details = {
              from: new Date(from).toISOString(),
              to: new Date(to).toISOString(),
              seconds: (to - from) / 1000,
            }
            add({ type: 'clock.stepped', details })
          }
        })
      } catch (error) {
        steps.unshift(...noticed)
        throw error
      }
    },
  }
}

/** When the log was written to last, by its last record and its last signature. */
async function readEnd(audit: Store['audit'], auditTree: Store['auditTree']): Promise<number | undefined> {
  const [record] = await audit.search({ newest: true, limit: 1 })
  const head = await auditTree.head()
  const times = [record && Date.parse(parseStoredRecord(record).occurred_at), head?.signedAt]
  const known = times.filter((time) => time !== undefined)
  return known.length === 0 ? undefined : Math.max(...known)
}

/** A span of time in words, rounded. */
export function tellSpan(ms: number): string {
  return ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`
}
