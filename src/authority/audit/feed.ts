import { type AuditFilter, matchesAuditFilter } from '../../core/audit-filter.js'
import { parseStoredRecord } from '../../core/stored-record.js'
import type { StoredRecord } from '../../store/store.js'
import type { AuditLog } from './log.js'

/** What a follower is given: what fits, ascending, and where it goes on from. */
export interface FeedPage {
  records: readonly StoredRecord[]
  /** Every record up to this one has been looked at. */
  seen: number
}

/** Somebody who follows the log; to be closed. */
export interface AuditFollower {
  /**
   * What fits of what comes after a sequence number, as soon as there is something; nothing when the signal aborts
   * first. Nothing is kept for a follower: who is slow asks later, and finds it in the store.
   */
  read(query: { after: number; filter: AuditFilter }, signal: AbortSignal): Promise<FeedPage>
  close(): void
}

/** The end of the log as it grows, read once for everybody who follows it. */
export interface AuditFeed {
  follow(): AuditFollower
}

/** How many of the newest records stay in memory while somebody follows. */
const KEPT = 1_000
const PAGE = 100
/** How often the store is asked for what other servers of it have appended. */
const POLL_MS = 250

export function createAuditFeed(audit: Pick<AuditLog, 'scan' | 'head' | 'appended'>): AuditFeed {
  const waiting = new Set<Waiter>()
  let followers = 0
  let isRunning = false
  let recent: StoredRecord[] = []
  /** The newest record that is known, while somebody follows. */
  let top: number | undefined

  async function pump(): Promise<void> {
    if (isRunning) return
    isRunning = true
    while (followers > 0) {
      // Listening starts before the store is asked: what is appended in between is not missed.
      const pause = startPause(audit)
      try {
        const grown = await readMore()
        if (grown) settle(({ resolve }) => resolve())
        else await pause.over
      } catch (error) {
        settle(({ reject }) => reject(error))
        await pause.over
      } finally {
        pause.end()
      }
    }
    isRunning = false
    top = undefined
    recent = []
  }

  async function readMore(): Promise<boolean> {
    if (top === undefined) {
      top = await audit.head()
      return true
    }
    const { records, seen } = await audit.scan({ after: top, limit: KEPT })
    recent = [...recent, ...records].slice(-KEPT)
    top = seen
    return records.length > 0
  }

  function settle(how: (waiter: Waiter) => void): void {
    for (const waiter of waiting) how(waiter)
    waiting.clear()
  }

  function waitBeyond(after: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal.aborted || (top ?? -1) > after) return resolve()
      const end = <A extends unknown[]>(settled: (...args: A) => void) => {
        return (...args: A) => {
          waiting.delete(waiter)
          signal.removeEventListener('abort', waiter.resolve)
          settled(...args)
        }
      }
      const waiter: Waiter = { resolve: end(resolve), reject: end(reject) }
      waiting.add(waiter)
      signal.addEventListener('abort', waiter.resolve)
    })
  }

  return {
    follow() {
      let isOpen = true
      followers++
      void pump()
      return {
        async read({ after, filter }, signal) {
          for (let from = after; ; ) {
            const known = readKept(recent, from)
            const page = known
              ? look(known, from, filter)
              : await audit.scan({ after: from, filter, limit: PAGE })
            if (page.records.length > 0 || signal.aborted) return page
            from = page.seen
            await waitBeyond(from, signal)
          }
        },
        close() {
          if (isOpen) followers--
          isOpen = false
        },
      }
    },
  }
}

interface Waiter {
  resolve: () => void
  reject: (error: unknown) => void
}

function startPause(audit: Pick<AuditLog, 'appended'>): { over: Promise<void>; end: () => void } {
  const stop = new AbortController()
  const end = () => stop.abort()
  const timer = setTimeout(end, POLL_MS)
  stop.signal.addEventListener('abort', () => clearTimeout(timer))
  return { over: audit.appended(stop.signal), end }
}

// What comes after a number, of what is in memory; undefined where that does not reach back far enough.
function readKept(recent: readonly StoredRecord[], after: number): readonly StoredRecord[] | undefined {
  const [first] = recent
  if (first === undefined || after < first.seq - 1) return undefined
  const from = after - first.seq + 1
  return recent.slice(from, from + PAGE)
}

function look(known: readonly StoredRecord[], after: number, filter: AuditFilter): FeedPage {
  const fits = (stored: StoredRecord) => matchesAuditFilter(parseStoredRecord(stored), filter)
  return {
    records: filter.length === 0 ? known : known.filter(fits),
    seen: known.at(-1)?.seq ?? after,
  }
}
