import { type CompiledQuery, type Kysely, type SelectQueryBuilder, sql } from 'kysely'
import type { AuditFilter } from '../core/audit-filter.js'
import { readAuditPage } from './audit-pages.js'
import { createInsert } from './insert.js'
import type { AuditPrivateRow, AuditRow, Schema } from './schema.js'
import type { AuditQueries, AuditRecord } from './store.js'

export function createAuditQueries(db: Kysely<Schema>): AuditQueries {
  return {
    async search({ filters = [], after, since, until, limit, newest = false }) {
      let matching = db.selectFrom('audit_events').select(['seq', 'record'])
      for (const filter of filters) matching = applyFilter(matching, filter)
      if (after !== undefined) matching = matching.where('seq', '>', after)
      if (since !== undefined) matching = matching.where('occurred_at', '>=', since)
      if (until !== undefined) matching = matching.where('occurred_at', '<', until)
      const rows = await matching
        .orderBy('seq', newest ? 'desc' : 'asc')
        .limit(limit)
        .execute()
      return newest ? rows.reverse() : rows
    },
    page: (query) => readAuditPage(db, query),
    async head() {
      const { head } = await selectHead(db).executeTakeFirstOrThrow()
      return Number(head)
    },
    find: (id) =>
      db.selectFrom('audit_events').select(['seq', 'record']).where('id', '=', id).executeTakeFirst(),
  }
}

/** Stores records in a transaction, numbered on from the head of the log without a gap. */
export type AppendRecords = (db: Kysely<Schema>, records: readonly AuditRecord[]) => Promise<void>

/** With statements that are built once, as `createInsert` builds those for the two tables. */
export function createAppendRecords(): AppendRecords {
  let readHead: CompiledQuery<{ head: number }> | undefined
  const insertEvents = createInsert('audit_events')
  const insertPersonal = createInsert('audit_private')
  return async (db, records) => {
    readHead ??= selectHead(db).compile()
    const { rows } = await db.executeQuery(readHead)
    const next = Number(rows[0]?.head) + 1
    await insertEvents(
      db,
      records.map((record, index) => toRow(record, next + index)),
    )
    await insertPersonal(db, records.flatMap(toPersonalRows))
  }
}

function selectHead(db: Kysely<Schema>): SelectQueryBuilder<Schema, 'audit_events', { head: number }> {
  return db.selectFrom('audit_events').select(sql<number>`coalesce(max(seq), -1)`.as('head'))
}

function applyFilter<O>(
  matching: SelectQueryBuilder<Schema, 'audit_events', O>,
  { field, value }: AuditFilter,
): SelectQueryBuilder<Schema, 'audit_events', O> {
  if (field === 'type' && value.endsWith('*')) {
    const start = value.slice(0, -1)
    // A range instead of LIKE, whose case rules differ between the engines.
    return matching.where('type', '>=', start).where('type', '<', `${start}\uffff`)
  }
  return matching.where(field, '=', value)
}

function toRow(record: AuditRecord, seq: number): AuditRow {
  return {
    seq,
    id: record.id,
    record: record.record,
    type: record.type,
    outcome: record.outcome,
    reason: record.reason ?? null,
    client: record.client ?? null,
    subject: record.subject ?? null,
    jti: record.jti ?? null,
    parent_jti: record.parentJti ?? null,
    delegation: record.delegation ?? null,
    txn: record.txn ?? null,
    occurred_at: record.occurredAt,
  }
}

function toPersonalRows({ id, ip, userAgent }: AuditRecord): AuditPrivateRow[] {
  if (ip === undefined && userAgent === undefined) return []
  return [{ event_id: id, ip: ip ?? null, user_agent: userAgent ?? null }]
}
