import type { Kysely } from 'kysely'
import { readIndexed } from './audit-terms.js'
import { orUndefined } from './columns.js'
import type { Schema } from './schema.js'

/** A page of the log as AuthSec's clients turn it: the newest first, counted from the front. */
export interface AuditPageQuery {
  /** Only events of these types. */
  types: readonly string[]
  /** Only what was allowed, or only what was not. */
  allowed?: boolean | undefined
  client?: string | undefined
  offset: number
  limit: number
}

export interface AuditPage {
  records: PersonalRecord[]
  total: number
}

/** A record with the personal data that is kept beside it. */
export interface PersonalRecord {
  seq: number
  record: string
  ip?: string | undefined
  userAgent?: string | undefined
}

/** Reads a page of the log, and how many events there are on all of them. */
export async function readAuditPage(
  db: Kysely<Schema>,
  { types, allowed, client, offset, limit }: AuditPageQuery,
): Promise<AuditPage> {
  if (types.length === 0) return { records: [], total: 0 }
  let matching = db.selectFrom(await selectTerms(db)).where('t.type', 'in', types)
  if (allowed !== undefined) matching = matching.where('t.outcome', allowed ? '=' : '!=', 'allow')
  if (client !== undefined) matching = matching.where('t.client', '=', client)
  const { total } = await matching
    .select((select) => select.fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow()
  const rows = await matching
    .innerJoin('audit_events as e', 'e.seq', 't.seq')
    .leftJoin('audit_private as p', 'p.event_id', 'e.id')
    .select(['e.seq', 'e.record', 'p.ip', 'p.user_agent'])
    .orderBy('t.seq', 'desc')
    .offset(offset)
    .limit(limit)
    .execute()
  const records = rows.map(({ seq, record, ip, user_agent }) => ({
    seq,
    record,
    ip: orUndefined(ip),
    userAgent: orUndefined(user_agent),
  }))
  return { records, total: Number(total) }
}

/** What the records can be chosen by: from the index, and of those that it has not got yet from themselves. */
async function selectTerms(db: Kysely<Schema>) {
  const columns = ['seq', 'type', 'outcome', 'client'] as const
  return db
    .selectFrom('audit_terms')
    .select(columns)
    .unionAll(
      db
        .selectFrom('audit_events')
        .select(columns)
        .where('seq', '>', await readIndexed(db)),
    )
    .as('t')
}
