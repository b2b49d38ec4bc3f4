import type { AuditDraft, AuditEntry, AuditEvent, AuditOutcome } from '../../core/audit-record.js'
import { encodeAuditEvent } from '../../core/audit-record.js'
import { AuthsecError } from '../../core/errors.js'
import type { AuditPageQuery } from '../../store/audit-pages.js'
import { indexAuditEvent } from '../../store/audit-terms.js'
import type { AuditQuery, AuditRecord, AuditScan, Store, Transaction } from '../../store/store.js'
import { createTimeOrderedId } from '../time-ordered-id.js'

/** Where a request came from, as far as the log tells it. */
export interface Provenance {
  requestId: string
  /** The door: `POST /oauth/token`. */
  source: string
  ip?: string | undefined
  userAgent?: string | undefined
}

/** One thing that somebody tries. It ends in exactly one record: of the success, or of the refusal. */
export interface Attempt {
  /** The id that the record will have, so that a token can name it. */
  readonly eventId: string
  /** Adds what has been learnt so far, `permissions` and `details` member by member: a refusal records just that. */
  note(fields: Partial<AuditDraft>): void
  /**
   * Records the success in the transaction of what it changes; resolves when both are durable. The change may
   * run twice or be undone: what it notes counts only with the change.
   */
  commit<T = void>(change?: (transaction: Transaction) => Promise<T>): Promise<T>
  /** Records a refusal that changes something too, and throws it. */
  refuse(error: AuthsecError, change: (transaction: Transaction) => Promise<void>): Promise<never>
}

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
   * Throws `temporarily_unavailable` when the record cannot be made durable: then nothing is answered.
   */
  attempt<T>(draft: AuditDraft, provenance: Provenance, work: (attempt: Attempt) => Promise<T>): Promise<T>
  search(query: AuditQuery): Promise<AuditEntry[]>
  /** The same as the records are stored; a search that takes long comes back early and says how far it came. */
  scan(query: AuditQuery): Promise<AuditScan>
  /** A page of it, the newest first, with the personal data that is kept beside the events. */
  page(query: AuditPageQuery): Promise<{ entries: PersonalEntry[]; total: number }>
  /** The highest sequence number; -1 while the log is empty. */
  head(): Promise<number>
  /** Resolves when something has been appended since the call, or the signal aborts. */
  appended(signal: AbortSignal): Promise<void>
}

export interface AuditLogOptions {
  store: Store
  clock: () => number
  logId: string
  tenantId: string
  bootId: string
  /** Told of every record that is durable. */
  onRecorded?: (() => void) | undefined
}

/** How many records one search looks at before it comes back. */
const SCAN_BUDGET = 50_000

/** The provenance of what the server does by itself. */
export const SERVER_ITSELF: Provenance = { requestId: 'server', source: 'server' }

export function createAuditLog(options: AuditLogOptions): AuditLog {
  const { store, clock, onRecorded = () => {} } = options
  const waiting = new Set<() => void>()

  async function write<T>(
    createRecord: () => AuditRecord,
    change: (transaction: Transaction) => Promise<T>,
  ): Promise<T> {
    const value = await store.write(async (transaction) => {
      const result = await change(transaction)
      transaction.audit.append(createRecord())
      return result
    })
    onRecorded()
    for (const wake of waiting) wake()
    return value
  }

  return {
    async attempt(draft, provenance, work) {
      let fields: AuditDraft = { ...draft }
      const now = clock()
      const eventId = createTimeOrderedId(now)
      let recorded = false
      const createRecord = (outcome: AuditOutcome, reason?: string) => {
        const encode = (known: AuditDraft) =>
          toRecord(options, { ...known, outcome, reason }, provenance, eventId, now)
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
        change: (transaction: Transaction) => Promise<T>,
      ): Promise<T> {
        const known = fields
        try {
          const value = await write(
            () => createRecord(outcome, reason),
            (transaction) => {
              fields = known
              return change(transaction)
            },
          )
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
          note: (known) => {
            const permissions = known.permissions && { ...fields.permissions, ...known.permissions }
            const details = known.details && { ...fields.details, ...known.details }
            fields = { ...fields, ...known, ...(permissions && { permissions }), ...(details && { details }) }
          },
          commit<T>(change: (transaction: Transaction) => Promise<T> = async () => undefined as T) {
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
        if (recorded || AuthsecError.is(error, 'temporarily_unavailable')) throw error
        const refused = AuthsecError.is(error)
        await record(refused ? 'deny' : 'error', refused ? error.code : 'internal', async () => {})
        throw refused ? withAuditId(error, eventId) : error
      }
    },

    async search(query) {
      const rows = await store.audit.search(query)
      return rows.map(({ seq, record }) => ({ seq, event: JSON.parse(record) }))
    },

    scan: (query) => store.audit.scan(query, SCAN_BUDGET),

    async page(query) {
      const { records, total } = await store.audit.page(query)
      const entries = records.map(({ record, ...rest }) => ({ ...rest, event: JSON.parse(record) }))
      return { entries, total }
    },

    head: () => store.audit.head(),

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

function toRecord(
  { logId, tenantId, bootId }: AuditLogOptions,
  fields: AuditDraft & { outcome: AuditOutcome },
  provenance: Provenance,
  id: string,
  now: number,
): AuditRecord {
  // In the order of its canonical form, which then has nothing to sort.
  const event: AuditEvent = {
    act: fields.act,
    actor: fields.actor,
    aud: fields.aud,
    boot: bootId,
    client: fields.client,
    delegation: fields.delegation,
    details: fields.details,
    id,
    jti: fields.jti,
    kid: fields.kid,
    log: logId,
    occurred_at: new Date(now).toISOString(),
    outcome: fields.outcome,
    parent_jti: fields.parent_jti,
    permissions: fields.permissions,
    policy: fields.policy,
    reason: fields.reason,
    request_id: provenance.requestId,
    source: provenance.source,
    subject: fields.subject,
    tenant: tenantId,
    token_hash: fields.token_hash,
    txn: fields.txn,
    type: fields.type,
    v: 1,
  } satisfies { [name in keyof Required<AuditEvent>]: AuditEvent[name] }
  return {
    ...indexAuditEvent(event),
    record: encodeAuditEvent(event),
    ip: provenance.ip,
    userAgent: provenance.userAgent?.slice(0, 1024),
  }
}

function withAuditId(error: AuthsecError, auditId: string): AuthsecError {
  const { code, message, hint, retryable, retryAfterMs, cause, details } = error
  return new AuthsecError(code, message, { hint, retryable, retryAfterMs, cause, details, auditId })
}
