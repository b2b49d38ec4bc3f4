import { setTimeout as delay } from 'node:timers/promises'
import type { AuditDraft, AuditEntry, AuditOutcome, PersonalData } from '../../core/audit-record.js'
import { AuthsecError } from '../../core/errors.js'
import { parseStoredRecord } from '../../core/stored-record.js'
import type { AuditPageQuery } from '../../store/audit-pages.js'
import type { AuditQuery, AuditRecord, AuditScan, Store, Transaction } from '../../store/store.js'
import { isStoreFailure } from '../../store/unavailable.js'
import { createTimeOrderedId } from '../time-ordered-id.js'
import {
  joinDrafts,
  type LogPlace,
  makeAllowed,
  makeRecord,
  type Parties,
  type Provenance,
  SERVER_ITSELF,
} from './record-making.js'
import { createRefusals, type RefusalLimits, type RefusalSummary } from './refusals.js'

export { type Parties, type Provenance, SERVER_ITSELF }

/** Adds an event to the transaction of what it tells about; those that are added come before that of the attempt. */
export type AddEvent = (draft: AuditDraft) => void

/** One thing that somebody tries. It ends in exactly one record: of the success, or of the refusal. */
export interface Attempt {
  /** The id that the record will have, so that a token can name it. */
  readonly eventId: string
  /** Adds what has been learnt so far, `permissions` and `details` member by member: a refusal records just that. */
  note(fields: Partial<AuditDraft>): void
  /**
   * Records the success in the transaction of what it changes; resolves when both are durable. The change may
   * run twice or be undone: what it notes and adds counts only with the change.
   */
  commit<T = void>(change?: Change<T>): Promise<T>
  /** Records a refusal that changes something too, and throws it. */
  refuse(error: AuthsecError, change: Change<void>): Promise<never>
}

/** What a transaction changes, and which events it adds by the way. */
export type Change<T> = (transaction: Transaction, add: AddEvent) => Promise<T>

/** An event with what is kept beside it. */
export interface PersonalEntry extends AuditEntry {
  ip?: string | undefined
  userAgent?: string | undefined
}

/** The log: append, search, and the wait for more. */
export interface AuditLog {
  /**
   * Runs something that may be refused. Whatever it throws is recorded (`deny` for an `AuthsecError`, `error`
   * for a surprise) and then thrown on, with the record's id in `auditId`. Work that ends without a commit is a
   * surprise as well.
   *
   * Throws `temporarily_unavailable` when the record cannot be made durable: then nothing is answered. What is refused
   * with that code for another reason is recorded as any refusal is.
   */
  attempt<T>(draft: AuditDraft, provenance: Provenance, work: (attempt: Attempt) => Promise<T>): Promise<T>
  /** Records the refusals that have only been counted so far: before the server stops. */
  flushRefusals(): Promise<void>
  /** Records what happens by itself: the events that `change` adds, with what it changes. There may be none. */
  record<T>(change: Change<T>): Promise<T>
  search(query: AuditQuery): Promise<AuditEntry[]>
  /** The same as the records are stored; a search that takes long comes back early and says how far it came. */
  scan(query: AuditQuery): Promise<AuditScan>
  /** A page of it, the newest first, with the personal data that is kept beside the events. */
  page(query: AuditPageQuery): Promise<{ entries: PersonalEntry[]; total: number }>
  /** What is kept beside events, by their sequence numbers. */
  findPersonal(seqs: readonly number[]): Promise<ReadonlyMap<number, PersonalData>>
  /** The highest sequence number; -1 while the log is empty. */
  head(): Promise<number>
  /** The lowest one; 0 while the log is empty. */
  first(): Promise<number>
  /** Resolves when something has been appended since the call, or the signal aborts. */
  appended(signal: AbortSignal): Promise<void>
}

export interface AuditLogOptions extends LogPlace {
  store: Store
  clock: () => number
  /** How many refusals are recorded one by one; default: all. */
  refusals?: RefusalLimits | undefined
  /** Whether there is too little room to record even those; default: never. */
  isScarce?: (() => boolean) | undefined
  /** Throws where this run may change nothing more; asked at the beginning of every transaction. Default: never. */
  assertOwnState?: ((transaction: Transaction) => Promise<void>) | undefined
  /** Told of every record that is durable. */
  onRecorded?: (() => void) | undefined
}

/** How long a refusal waits that is one of too many, so that those who flood leave the server to everybody else. */
const YIELD_MS = 20

/** How many records one search looks at before it comes back. */
const SCAN_BUDGET = 50_000

export function createAuditLog(options: AuditLogOptions): AuditLog {
  const { store, clock, assertOwnState = async () => {}, onRecorded = () => {} } = options
  const waiting = new Set<() => void>()
  const { refusals: limits, isScarce } = options
  const refusals =
    limits && createRefusals({ limits, isScarce, clock, createId: createTimeOrderedId, record: summarize })

  function summarize(summary: RefusalSummary): Promise<void> {
    const { id, provenance, reason, last } = summary
    const event = { ...describeRefusals(summary), outcome: 'deny', reason } as const
    return write(
      async () => {},
      provenance,
      () => makeRecord(options, event, provenance, id, last),
    )
  }

  async function write<T>(change: Change<T>, provenance: Provenance, last?: () => AuditRecord): Promise<T> {
    let count = 0
    const value = await store.write(async (transaction) => {
      const records: AuditRecord[] = []
      await assertOwnState(transaction)
      const add: AddEvent = (draft) => void records.push(makeAllowed(options, draft, provenance, clock()))
      const result = await change(transaction, add)
      if (last !== undefined) records.push(last())
      for (const record of records) transaction.audit.append(record)
      count = records.length
      return result
    })
    for (let at = 0; at < count; at++) onRecorded()
    if (count > 0) for (const wake of waiting) wake()
    return value
  }

  return {
    async attempt(draft, provenance, work) {
      let fields = joinDrafts({ type: draft.type, act: provenance.act }, draft)
      const now = clock()
      const eventId = createTimeOrderedId(now)
      let recorded = false
      const createRecord = (outcome: AuditOutcome, reason?: string) => {
        const encode = (known: AuditDraft) =>
          makeRecord(options, { outcome, ...known, reason }, provenance, eventId, now)
        if (outcome === 'allow') return encode(fields)
        try {
          return encode(fields)
        } catch {
          // What is too long to be recorded is refused, and the refusal is recorded all the same.
          return encode({ ...fields, aud: undefined, permissions: undefined, details: { cut: true } })
        }
      }

      // Exactly one record: a second try, of the refusal, starts from what was known before the first.
      async function record<T>(
        outcome: AuditOutcome,
        reason: string | undefined,
        change: Change<T>,
      ): Promise<T> {
        const known = fields
        const start: Change<T> = (transaction, add) => {
          fields = known
          return change(transaction, add)
        }
        try {
          const value = await write(start, provenance, () => createRecord(outcome, reason))
          recorded = true
          return value
        } catch (error) {
          fields = known
          throw error
        }
      }

      try {
        const value = await work({
          eventId,
          note: (learnt) => {
            fields = joinDrafts(fields, learnt)
          },
          commit<T>(change: Change<T> = async () => undefined as T) {
            return record('allow', undefined, change)
          },
          async refuse(error, change) {
            await record('deny', error.code, change)
            throw withAuditId(error, eventId)
          },
        })
        if (!recorded) throw new TypeError(`an attempt at ${fields.type} ended without a record`)
        return value
      } catch (error) {
        // Without a durable store there is no record and therefore no answer but 503.
        if (recorded || isStoreFailure(error)) throw error
        const refused = AuthsecError.is(error)
        const counted = refused && refusals?.count({ type: fields.type, reason: error.code, provenance })
        if (counted) {
          await delay(YIELD_MS)
          throw withAuditId(error, counted)
        }
        try {
          await record(refused ? 'deny' : 'error', refused ? error.code : 'internal', async () => {})
        } catch (failure) {
          // Of two reasons to try again later the first is the one that is told.
          throw AuthsecError.is(error, 'temporarily_unavailable') ? error : failure
        }
        throw refused ? withAuditId(error, eventId) : error
      }
    },

    flushRefusals: async () => refusals?.flush(),
    record: (change) => write(change, SERVER_ITSELF),

    async search(query) {
      const rows = await store.audit.search(query)
      return rows.map((row) => ({ seq: row.seq, event: parseStoredRecord(row) }))
    },

    scan: (query) => store.audit.scan(query, SCAN_BUDGET),

    async page(query) {
      const { records, total } = await store.audit.page(query)
      const entries = records.map(({ record, ...rest }) => ({
        ...rest,
        event: parseStoredRecord({ seq: rest.seq, record }),
      }))
      return { entries, total }
    },

    findPersonal: (seqs) => store.audit.findPersonal(seqs),
    head: () => store.audit.head(),
    first: async () => (await store.audit.first()) ?? 0,

    appended(signal) {
      return new Promise((resolve) => {
        const wake = () => {
          waiting.delete(wake)
          signal.removeEventListener('abort', wake)
          resolve()
        }
        if (signal.aborted) return resolve()
        waiting.add(wake)
        signal.addEventListener('abort', wake)
      })
    },
  }
}

function describeRefusals({ type, count, first, last, samples, provenance }: RefusalSummary): AuditDraft {
  const times = { first: new Date(first).toISOString(), last: new Date(last).toISOString() }
  const { provenClient: client } = provenance
  return {
    type: 'denied.summary',
    ...(client !== undefined && { actor: { type: 'client', id: client }, client }),
    details: { attempted: type, count, ...times, samples },
  }
}

function withAuditId(error: AuthsecError, auditId: string): AuthsecError {
  const { code, message, hint, retryable, retryAfterMs, cause, details } = error
  return new AuthsecError(code, message, { hint, retryable, retryAfterMs, cause, details, auditId })
}
