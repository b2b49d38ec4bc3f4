import type { AuditEventType } from '../../core/audit-record.js'
import { networkOf } from '../../core/network.js'
import type { Provenance } from './record-making.js'

/** How many refusals are recorded by themselves in a second; what is more is counted. */
export interface RefusalLimits {
  inAll: number
  /** From one network; default: as many as in all. */
  perNetwork?: number | undefined
  /** Of one client that has proven itself, whatever comes from elsewhere; default: as for everybody. */
  perClient?: number | undefined
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
const MAX_BUDGETS = 1_000

/** By the steady clock of this process: what floods a server is not held up by a clock that is set. */
export function createRefusals(options: RefusalsOptions): Refusals {
  const { limits, isScarce = () => false, clock, createId, record } = options
  const { inAll, perNetwork = inAll, perClient } = limits
  const open = new Map<string, { summary: RefusalSummary; timer: NodeJS.Timeout }>()
  // Apart, so that no number of networks makes what others have used up forgotten.
  const [all, networks] = [createBudgets(inAll), createBudgets(perNetwork)]
  const clients = perClient === undefined ? undefined : createBudgets(perClient)

  function hasRoom(network: string, client: string | undefined): boolean {
    if (isScarce()) return false
    if (clients !== undefined && client !== undefined) return clients.take(client)
    return networks.take(network) && all.take('')
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
      const client = clients && provenance.provenClient
      if (hasRoom(network, client)) return undefined
      const now = clock()
      const kind = JSON.stringify([type, reason, provenance.source, network, client])
      const isCrowded = open.size >= MAX_WINDOWS && !open.has(kind)
      const key = isCrowded ? '' : kind
      const { requestId, source } = provenance
      const told = { requestId, source, ip: network, provenClient: client }
      const rest = { type, reason: 'several', provenance: { requestId, source: 'server' } }
      const summary =
        open.get(key)?.summary ?? openWindow(key, isCrowded ? rest : { type, reason, provenance: told }, now)
      summary.count++
      summary.last = now
      if (summary.samples.length < MAX_SAMPLES) summary.samples.push(requestId)
      return summary.id
    },
    async flush() {
      await Promise.all([...open.keys()].map(close))
    },
  }
}

/** What is left to each of many of so much in a second. */
function createBudgets(perSecond: number): { take(name: string): boolean } {
  const budgets = new Map<string, { left: number; at: number }>()
  return {
    take(name) {
      const now = performance.now()
      const known = budgets.get(name) ?? { left: perSecond, at: now }
      const left = Math.min(perSecond, known.left + ((now - known.at) * perSecond) / 1000)
      budgets.delete(name)
      const [oldest] = budgets.keys()
      if (oldest !== undefined && budgets.size >= MAX_BUDGETS) budgets.delete(oldest)
      budgets.set(name, { left: left < 1 ? left : left - 1, at: now })
      return left >= 1
    },
  }
}
