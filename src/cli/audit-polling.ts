import { type AuthsecLogs, LOG_PAGE, type LoggedEvent } from '../api/authsec-logs.js'
import { type AuditFilter, matchesAuditFilter } from '../core/audit-filter.js'
import type { FollowOptions, FollowStep } from './audit-follow.js'

export interface PollOptions extends Pick<FollowOptions, 'clock' | 'signal'> {
  filter: AuditFilter
  /** How many of the newest to begin with. */
  lines: number
  follow: boolean
}

const POLL_MS = 2_000
/** What is remembered of what has been told. */
const MAX_KNOWN = 20_000
/** How far back one look goes at most, in pages of each log. */
const MAX_PAGES = 25

/** The newest events of the logs that fit, the oldest first. */
export async function searchLogs(
  logs: AuthsecLogs,
  filter: AuditFilter,
  most: number,
  known: Memory = createMemory(),
): Promise<LoggedEvent[]> {
  const found: LoggedEvent[] = []
  for (const name of logs.names) {
    let own = 0
    for (let page = 1; page === 1 || (own < most && page <= MAX_PAGES); page++) {
      const records = await logs.readPage(name, page)
      // Pages move while the log grows: what was on the last one may be on the next.
      const fitting = records
        .filter(({ key }) => known.add(key))
        .filter(({ event }) => matchesAuditFilter(event, filter))
      own += fitting.length
      found.push(...fitting)
      if (records.length < LOG_PAGE) break
    }
  }
  return most === 0 ? [] : inOrder(found).slice(-most)
}

/**
 * Follows logs that cannot be followed by asking again and again for their newest pages; what has been told is known
 * by its id, as far as memory is allowed for it.
 */
export async function* pollLogs(logs: AuthsecLogs, options: PollOptions): AsyncGenerator<FollowStep[]> {
  const { filter, lines, follow, clock, signal } = options
  const known = createMemory()
  yield toSteps(await searchLogs(logs, filter, lines, known))
  while (follow) {
    await clock.sleep(POLL_MS, signal)
    const news: LoggedEvent[] = []
    for (const name of logs.names) news.push(...(await readNews(logs, name, known)))
    yield toSteps(inOrder(news).filter(({ event }) => matchesAuditFilter(event, filter)))
  }
}

// Back to what is known already.
async function readNews(logs: AuthsecLogs, name: string, known: Memory): Promise<LoggedEvent[]> {
  const news: LoggedEvent[] = []
  for (let page = 1; page <= MAX_PAGES; page++) {
    const records = await logs.readPage(name, page)
    const fresh = records.filter(({ key }) => known.add(key))
    news.push(...fresh)
    if (fresh.length < LOG_PAGE) break
  }
  return news
}

interface Memory {
  /** Whether the key was not known before. */
  add(key: string): boolean
}

function createMemory(): Memory {
  const keys = new Set<string>()
  return {
    add(key) {
      if (keys.has(key)) return false
      const [oldest] = keys
      if (oldest !== undefined && keys.size >= MAX_KNOWN) keys.delete(oldest)
      keys.add(key)
      return true
    },
  }
}

function inOrder(events: readonly LoggedEvent[]): LoggedEvent[] {
  const timeOf = ({ event }: LoggedEvent) => Date.parse(event.occurred_at) || 0
  return events.toReversed().sort((one, other) => timeOf(one) - timeOf(other))
}

function toSteps(events: readonly LoggedEvent[]): FollowStep[] {
  return events.map(({ event }) => ({ type: 'event', entry: { seq: null, event } }))
}
