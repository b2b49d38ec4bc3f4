import type { AuditEventType } from '../../core/audit-record.js'
import { networkOf } from '../../core/network.js'
import type { Provenance } from './record-making.js'

/** How many refusals are recorded by themselves in a second; what is more is counted. */
export interface RefusalLimits {
  inAll: number
  /** From one network; default: as many as in all. */
  perNetwork?: number | undefined
}

/** A refusal, as it is counted. */
export interface Refusal {
  type: AuditEventType
  reason: string
  provenance: Provenance
}

/** What a time of at most ten seconds has had of one kind of refusal. */
export interface RefusalSummary extends Refusal {
  /** The id of its event. */
  id: string
  count: number
  /** Milliseconds since the epoch. */
  first: number
  last: number
  /** The ids of the first requests. */
  samples: string[]
}

/** Keeps a flood of refusals from drowning the log: a few are recorded by themselves, the others by their number. */
export interface Refusals {
  /**
   * Counts a refusal where there are too many: the id of the event that will tell of it. Otherwise it is to be
   * recorded.
   */
  count(refusal: Refusal): string | undefined
  /** Records what has been counted: before the server stops. */
  flush(): Promise<void>
}

export interface RefusalsOptions {
  limits: RefusalLimits
  /** Whether even the first are counted; default: never. */
  isScarce?: (() => boolean) | undefined
  clock: () => number
  createId: (now: number) => string
  record(summary: RefusalSummary): Promise<void>
}

const WINDOW_MS = 10_000
/** So many kinds at once; all others are one. */
const MAX_WINDOWS = 100
const MAX_SAMPLES = 3
const MAX_BUCKETS = 1_000

/** By the steady clock of this process: what floods a server is not held up by a clock that is set. */
export function createRefusals(options: RefusalsOptions): Refusals {
  const { limits, isScarce = () => false, clock, createId, record } = options
  const open = new Map<string, { summary: RefusalSummary; timer: NodeJS.Timeout }>()
  const buckets = new Map<string, { left: number; at: number }>()

  function take(name: string, perSecond: number): boolean {
    const now = performance.now()
    const known = buckets.get(name) ?? { left: perSecond, at: now }
    const left = Math.min(perSecond, known.left + ((now - known.at) * perSecond) / 1000)
    buckets.delete(name)
    const [oldest] = buckets.keys()
    if (oldest !== undefined && buckets.size >= MAX_BUCKETS) buckets.delete(oldest)
    buckets.set(name, { left: left < 1 ? left : left - 1, at: now })
    return left >= 1
  }

  function close(key: string): Promise<void> {
    const found = open.get(key)
    if (found === undefined) return Promise.resolve()
    open.delete(key)
    clearTimeout(found.timer)
    return record(found.summary)
  }

  function openWindow(key: string, refusal: Refusal, now: number): RefusalSummary {
    const summary = { ...refusal, id: createId(now), count: 0, first: now, last: now, samples: [] }
    // A disk that fails now fails everybody who needs an answer, and they are told.
    const timer = setTimeout(() => void close(key).catch(() => {}), WINDOW_MS).unref()
    open.set(key, { summary, timer })
    return summary
  }

  return {
    count(refusal) {
      const { type, reason, provenance } = refusal
      const network = networkOf(provenance.ip ?? '')
      const { inAll, perNetwork = inAll } = limits
      if (!isScarce() && take(`from ${network}`, perNetwork) && take('in all', inAll)) return undefined
      const now = clock()
      const kind = JSON.stringify([type, reason, provenance.source, network])
      const isCrowded = open.size >= MAX_WINDOWS && !open.has(kind)
      const key = isCrowded ? '' : kind
      const told = { requestId: provenance.requestId, source: provenance.source, ip: network }
      const rest = {
        type,
        reason: 'several',
        provenance: { requestId: provenance.requestId, source: 'server' },
      }
      const summary =
        open.get(key)?.summary ?? openWindow(key, isCrowded ? rest : { type, reason, provenance: told }, now)
      summary.count++
      summary.last = now
      if (summary.samples.length < MAX_SAMPLES) summary.samples.push(provenance.requestId)
      return summary.id
    },
    async flush() {
      await Promise.all([...open.keys()].map(close))
    },
  }
}
