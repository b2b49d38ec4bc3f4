import { type Kysely, sql } from 'kysely'
import type { AuditEvent } from '../core/audit-record.js'
import { AuthsecError } from '../core/errors.js'
import { parseStoredRecord } from '../core/stored-record.js'
import type { Engine } from './engine.js'
import type { AuditRow, AuditTermRow, Schema } from './schema.js'
import type { AuditTerms, Store } from './store.js'

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

/** How many records one transaction makes anew, so that nobody waits long behind it. */
const BATCH = 500

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
  await copyTerms(trx, await readIndexed(trx), end)
}

/**
 * Makes everything that was derived from the records for the search anew, in many short transactions that let others in
 * between; says how many records there are. Throws `state_unreadable` naming a record that is no event any more, when
 * all others are done.
 */
export async function reindexAudit({ write }: Pick<Store, 'write'>): Promise<number> {
  let records = 0
  let damaged: AuthsecError | undefined
  for (let after: number | undefined = -1; after !== undefined; ) {
    const from: number = after
    const step = await write(({ audit }) => audit.reindex(from))
    records += step.records
    damaged ??= step.damaged
    after = step.last
  }
  for (const name of Object.keys(AUDIT_INDEXES)) await write(({ audit }) => audit.renewIndex(name))
  if (damaged !== undefined) throw damaged
  return records
}

/** What a step of making the search anew has come to. */
export interface IndexStep {
  records: number
  /** The last of them; undefined where none are left after it. */
  last: number | undefined
  /** The first that is no event any more: what was derived from it stays as it is. */
  damaged: AuthsecError | undefined
}

/**
 * Makes what was derived for the search anew for the next records after a number, within a transaction. Whatever comes
 * between two steps finds every record: those that are done as they are, the others as they were.
 */
export async function renewAuditTerms(trx: Kysely<Schema>, after: number): Promise<IndexStep> {
  const rows = await trx
    .selectFrom('audit_events')
    .selectAll()
    .where('seq', '>', after)
    .orderBy('seq')
    .limit(BATCH)
    .execute()
  let damaged: AuthsecError | undefined
  for (const row of rows) {
    try {
      await renewColumns(trx, row)
    } catch (error) {
      if (!AuthsecError.is(error, 'state_unreadable')) throw error
      damaged ??= error
    }
  }
  const last = rows.length < BATCH ? undefined : rows.at(-1)?.seq
  const end = (last ?? Number.MAX_SAFE_INTEGER - 1) + 1
  await trx.deleteFrom('audit_terms').where('seq', '>', after).where('seq', '<', end).execute()
  await copyTerms(trx, after, end)
  return { records: rows.length, last, damaged }
}

async function renewColumns(trx: Kysely<Schema>, row: AuditRow): Promise<void> {
  const columns = toTermColumns(indexAuditEvent(parseStoredRecord(row)))
  const names = Object.keys(columns) as (keyof AuditTermColumns)[]
  if (names.every((name) => columns[name] === row[name])) return
  await trx.updateTable('audit_events').set(columns).where('seq', '=', row.seq).execute()
}

/** Makes one of `AUDIT_INDEXES` anew, within a transaction. */
export async function renewAuditIndex(
  trx: Kysely<Schema>,
  name: string,
  adaptStatement: Engine['adaptStatement'],
): Promise<void> {
  await sql`drop index if exists ${sql.ref(name)}`.execute(trx)
  await sql.raw(adaptStatement(`create index ${name} on audit_terms ${AUDIT_INDEXES[name]}`)).execute(trx)
}

async function copyTerms(trx: Kysely<Schema>, after: number, end: number): Promise<void> {
  await trx
    .insertInto('audit_terms')
    .columns(['seq', ...TERMS])
    .expression(
      trx
        .selectFrom('audit_events')
        .select(['seq', ...TERMS])
        .where('seq', '>', after)
        .where('seq', '<', end),
    )
    .execute()
}
