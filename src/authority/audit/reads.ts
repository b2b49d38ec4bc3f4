import { type AuditFilter, concealAuditFilter } from '../../core/audit-filter.js'
import type { StoredRecord } from '../../store/store.js'
import type { Session } from '../sessions.js'
import type { AuditLog, Provenance } from './log.js'

/** Who reads the log: one `audit.read` for each session and what it asks for where, when it has stopped. */
export interface AuditReads {
  /** The records in the order of the log, or the other way round. */
  note(session: Session, asked: AskedRecords, records: readonly ReadRecord[], provenance: Provenance): void
  /** Records what has not been recorded yet: before the server stops. */
  flush(): Promise<void>
}

/** What somebody asks for. */
export interface AskedRecords {
  filter: AuditFilter
  /** Whether what is kept beside the events comes along. */
  personal?: boolean | undefined
}

/** A record that somebody has read. */
export type ReadRecord = Pick<StoredRecord, 'seq'>

interface Range {
  userId: string
  sessionId: string
  filter: string
  personal: boolean
  provenance: Provenance
  first: number | undefined
  last: number | undefined
  events: number
  timer: NodeJS.Timeout
}

/** After so long without another read it is over. */
const QUIET_MS = 60_000
/** So many ranges at once; the oldest of more is recorded before it is over. */
const MAX_OPEN = 1_000

export function createAuditReads(audit: Pick<AuditLog, 'attempt'>): AuditReads {
  const open = new Map<string, Range>()

  function record(key: string, range: Range): Promise<void> {
    open.delete(key)
    clearTimeout(range.timer)
    const { userId, sessionId, filter, personal, provenance, first, last, events } = range
    const draft = {
      type: 'audit.read',
      actor: { type: 'user', id: userId },
      details: {
        session: sessionId,
        events,
        ...(first !== undefined && { first }),
        ...(last !== undefined && { last }),
        ...(filter !== '' && { filter }),
        ...(personal && { personal }),
      },
    } as const
    return audit.attempt(draft, provenance, (attempt) => attempt.commit())
  }

  // A disk that fails now fails everybody who needs an answer, and they are told.
  const recordLater = (key: string, range: Range) => void record(key, range).catch(() => {})

  function openRange(
    key: string,
    session: Session,
    { filter, personal }: Pick<Range, 'filter' | 'personal'>,
    provenance: Provenance,
  ): Range {
    const [oldest] = open
    if (oldest !== undefined && open.size >= MAX_OPEN) recordLater(...oldest)
    const range: Range = {
      userId: session.user.id,
      sessionId: session.id,
      filter,
      personal,
      provenance,
      first: undefined,
      last: undefined,
      events: 0,
      timer: setTimeout(() => recordLater(key, range), QUIET_MS).unref(),
    }
    open.set(key, range)
    return range
  }

  return {
    note(session, { filter: asked, personal = false }, records, provenance) {
      const filter = concealAuditFilter(asked)
      const key = JSON.stringify([session.id, provenance.source, filter, personal])
      const range = open.get(key) ?? openRange(key, session, { filter, personal }, provenance)
      range.timer.refresh()
      range.events += records.length
      for (const record of [records[0], records.at(-1)]) {
        range.first = smallest(range.first, record?.seq)
        range.last = largest(range.last, record?.seq)
      }
    },
    async flush() {
      await Promise.all([...open].map(([key, range]) => record(key, range)))
    },
  }
}

function smallest(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? (one ?? other) : Math.min(one, other)
}

function largest(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined || other === undefined ? (one ?? other) : Math.max(one, other)
}
