import type { Kysely } from 'kysely'
import { readAuditPage } from './audit-pages.js'
import { scanAudit } from './audit-search.js'
import { toTermColumns } from './audit-terms.js'
import { orUndefined } from './columns.js'
import type { Insert } from './insert.js'
import type { AuditPrivateRow, AuditRow, Schema } from './schema.js'
import type { AuditQueries, AuditRecord } from './store.js'

export function createAuditQueries(db: Kysely<Schema>): AuditQueries {
  return {
    search: async (query) => (await scanAudit(db, query)).records,
    scan: (query, budget) => scanAudit(db, query, budget),
    page: (query) => readAuditPage(db, query),
    async head() {
      const { head } = await db
        .selectFrom('audit_events')
        .select(({ fn }) => fn.max('seq').as('head'))
        .executeTakeFirstOrThrow()
      return Number(head ?? -1)
    },
    async first() {
      const { first } = await db
        .selectFrom('audit_events')
        .select(({ fn }) => fn.min('seq').as('first'))
        .executeTakeFirstOrThrow()
      return orUndefined(first)
    },
    async findNewestTime(from, to) {
      const { newest } = await db
        .selectFrom('audit_events')
        .select(({ fn }) => fn.max('occurred_at').as('newest'))
        .where('seq', '>=', from)
        .where('seq', '<', to)
        .executeTakeFirstOrThrow()
      return orUndefined(newest)
    },
    async findPersonal(seqs) {
      if (seqs.length === 0) return new Map()
      const rows = await db
        .selectFrom('audit_events as e')
        .innerJoin('audit_private as p', 'p.event_id', 'e.id')
        .select(['e.seq', 'p.ip', 'p.user_agent'])
        .where('e.seq', 'in', seqs)
        .execute()
      return new Map(
        rows.map(({ seq, ip, user_agent }) => [
          Number(seq),
          { ip: orUndefined(ip), user_agent: orUndefined(user_agent) },
        ]),
      )
    },
    find: (id) =>
      db.selectFrom('audit_events').select(['seq', 'record']).where('id', '=', id).executeTakeFirst(),
  }
}

/** Removes the records below a sequence number, within a transaction. */
export async function pruneRecords(trx: Kysely<Schema>, below: number): Promise<void> {
  const old = trx.selectFrom('audit_events').select('id').where('seq', '<', below)
  await trx.deleteFrom('audit_private').where('event_id', 'in', old).execute()
  await trx.deleteFrom('audit_terms').where('seq', '<', below).execute()
  await trx.deleteFrom('audit_events').where('seq', '<', below).execute()
}

/** Removes what is kept beside the records whose ids sort before one, within a transaction. */
export async function erasePersonal(trx: Kysely<Schema>, beforeId: string): Promise<void> {
  await trx.deleteFrom('audit_private').where('event_id', '<', beforeId).execute()
}

/** Stores records in a transaction, numbered on from the head of the log without a gap. */
export function appendRecords(
  insert: Insert,
  trx: Kysely<Schema>,
  records: readonly AuditRecord[],
  head: number,
): Promise<void> {
  return insert(trx, {
    audit_events: records.map((record, index) => toRow(record, head + 1 + index)),
    audit_private: records.flatMap(toPersonalRows),
  })
}

function toRow(record: AuditRecord, seq: number): AuditRow {
  return { seq, record: record.record, ...toTermColumns(record) }
}

function toPersonalRows({ id, ip, userAgent }: AuditRecord): AuditPrivateRow[] {
  if (ip === undefined && userAgent === undefined) return []
  return [{ event_id: id, ip: ip ?? null, user_agent: userAgent ?? null }]
}
