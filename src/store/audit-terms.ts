import { type Kysely, sql } from 'kysely'
import type { AuditEvent } from '../core/audit-record.js'
import type { Engine } from './engine.js'
import type { AuditRow, AuditTermRow, Schema } from './schema.js'
import type { AuditTerms } from './store.js'

/** The columns of a record that are there for the search alone. */
export type AuditTermColumns = Omit<AuditRow, 'seq' | 'record'>

/** The indexes of the terms by name, as the migrations have left them. */
export const AUDIT_INDEXES: Readonly<Record<string, string>> = {
  audit_terms_jti: '(jti, seq)',
  audit_terms_parent_jti: '(parent_jti, seq)',
  audit_terms_txn: '(txn, seq)',
  audit_terms_delegation: '(delegation, seq)',
  audit_terms_policy: '(policy, seq)',
  audit_terms_client: '(client, seq)',
  audit_terms_subject: '(subject, seq)',
  audit_terms_type: '(type, seq)',
  audit_terms_occurred_at: '(occurred_at, seq)',
  audit_terms_refused: `(outcome, seq) where outcome <> 'allow'`,
}

/** The columns that have an index. */
const TERMS = [
  'type',
  'outcome',
  'client',
  'subject',
  'jti',
  'parent_jti',
  'delegation',
  'txn',
  'policy',
  'occurred_at',
] as const satisfies readonly (keyof AuditTermRow)[]

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

/** The last record that the indexes have; -1 while they have none. */
export async function readIndexed(db: Kysely<Schema>): Promise<number> {
  const row = await db
    .selectFrom('audit_terms')
    .select(({ fn }) => fn.max('seq').as('seq'))
    .executeTakeFirst()
  return row?.seq ?? -1
}

/**
 * Takes the records below a number into the indexes, within a transaction. Ten indexes are ten more pages that each
 * commit would write: hundreds of records share them when they follow behind.
 */
export async function growAuditIndex(trx: Kysely<Schema>, end: number): Promise<void> {
  const indexed = await readIndexed(trx)
  await trx
    .insertInto('audit_terms')
    .columns(['seq', ...TERMS])
    .expression(
      trx
        .selectFrom('audit_events')
        .select(['seq', ...TERMS])
        .where('seq', '>', indexed)
        .where('seq', '<', end),
    )
    .execute()
}

/**
 * Drops everything that was derived for the search and makes it again from the records, within a transaction. Says how
 * many records there are.
 */
export async function rebuildAuditIndex(
  trx: Kysely<Schema>,
  adaptStatement: Engine['adaptStatement'],
): Promise<number> {
  for (const name of Object.keys(AUDIT_INDEXES)) {
    await sql`drop index if exists ${sql.ref(name)}`.execute(trx)
  }
  await trx.deleteFrom('audit_terms').execute()
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
  await growAuditIndex(trx, Number.MAX_SAFE_INTEGER)
  for (const [name, columns] of Object.entries(AUDIT_INDEXES)) {
    await sql.raw(adaptStatement(`create index ${name} on audit_terms ${columns}`)).execute(trx)
  }
  return count
}
