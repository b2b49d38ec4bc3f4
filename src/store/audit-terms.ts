import { type Kysely, sql } from 'kysely'
import type { AuditEvent } from '../core/audit-record.js'
import type { AuditRow, Schema } from './schema.js'
import type { AuditTerms } from './store.js'

/** The columns of a record that are there for the search alone. */
export type AuditTermColumns = Omit<AuditRow, 'seq' | 'record'>

/** The indexes of the log by name, as the migrations have left them. */
export const AUDIT_INDEXES: Readonly<Record<string, string>> = {
  audit_events_jti: '(jti, seq)',
  audit_events_parent_jti: '(parent_jti, seq)',
  audit_events_txn: '(txn, seq)',
  audit_events_delegation: '(delegation, seq)',
  audit_events_policy: '(policy, seq)',
  audit_events_client: '(client, seq)',
  audit_events_subject: '(subject, seq)',
  audit_events_type: '(type, seq)',
  audit_events_occurred_at: '(occurred_at, seq)',
  audit_events_refused: `(outcome, seq) where outcome <> 'allow'`,
}

const BATCH = 1_000

/** What the search needs of an event: all of it is in the record, from which it can be made again. */
export function indexAuditEvent(event: AuditEvent): AuditTerms {
  return {
    id: event.id,
    type: event.type,
    outcome: event.outcome,
    reason: event.reason,
    client: event.client,
    subject: event.subject?.id,
    jti: event.jti,
    parentJti: event.parent_jti,
    delegation: event.delegation,
    txn: event.txn,
    policy: event.policy,
    occurredAt: Date.parse(event.occurred_at),
  }
}

/** The same as columns. */
export function toTermColumns(terms: AuditTerms): AuditTermColumns {
  return {
    id: terms.id,
    type: terms.type,
    outcome: terms.outcome,
    reason: terms.reason ?? null,
    client: terms.client ?? null,
    subject: terms.subject ?? null,
    jti: terms.jti ?? null,
    parent_jti: terms.parentJti ?? null,
    delegation: terms.delegation ?? null,
    txn: terms.txn ?? null,
    policy: terms.policy ?? null,
    occurred_at: terms.occurredAt,
  }
}

/**
 * Drops everything that was derived for the search and makes it again from the records, within a transaction. Says how
 * many records there are.
 */
export async function rebuildAuditIndex(trx: Kysely<Schema>): Promise<number> {
  for (const name of Object.keys(AUDIT_INDEXES)) {
    await sql`drop index if exists ${sql.ref(name)}`.execute(trx)
  }
  let count = 0
  for (let after = -1; ; ) {
    const rows = await trx
      .selectFrom('audit_events')
      .select(['seq', 'record'])
      .where('seq', '>', after)
      .orderBy('seq')
      .limit(BATCH)
      .execute()
    for (const { seq, record } of rows) {
      const columns = toTermColumns(indexAuditEvent(JSON.parse(record)))
      await trx.updateTable('audit_events').set(columns).where('seq', '=', seq).execute()
    }
    count += rows.length
    if (rows.length < BATCH) break
    after = rows.at(-1)?.seq ?? after
  }
  for (const [name, columns] of Object.entries(AUDIT_INDEXES)) {
    await sql`create index ${sql.ref(name)} on audit_events ${sql.raw(columns)}`.execute(trx)
  }
  return count
}
