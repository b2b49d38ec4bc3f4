import {
  type Expression,
  expressionBuilder,
  type Kysely,
  type SelectQueryBuilder,
  type SqlBool,
  sql,
} from 'kysely'
import { type AuditCondition, type AuditFilter, matchesAuditFilter } from '../core/audit-filter.js'
import { nextTurn } from '../core/next-turn.js'
import { parseStoredRecord } from '../core/stored-record.js'
import type { AuditRow, Schema } from './schema.js'
import type { AuditQuery, AuditScan, StoredRecord } from './store.js'

/** How many records one statement looks at, so that none holds up a server of one thread. */
const WINDOW = 2_000
const BATCH = 500

/** The columns that an index answers, those first that leave the fewest records. */
const INDEXED = [
  'id',
  'jti',
  'txn',
  'parent_jti',
  'delegation',
  'policy',
  'outcome',
  'client',
  'subject',
  'type',
] as const satisfies readonly (keyof AuditRow & AuditCondition['field'])[]

type IndexedField = (typeof INDEXED)[number]

const COLUMNS: readonly string[] = [...INDEXED, 'reason'] satisfies readonly (keyof AuditRow)[]

/**
 * Reads the records that meet a filter, ascending: along one index where a condition has one, otherwise window by
 * window, as the newest are that no index has yet; what no column answers the records themselves do. After `budget`
 * records that were looked at it stops, and says how far it came.
 */
export async function scanAudit(
  db: Kysely<Schema>,
  { filter = [], after = -1, before, limit, newest = false }: AuditQuery,
  budget: number = Number.POSITIVE_INFINITY,
): Promise<AuditScan> {
  const plan = planScan(filter)
  const ends = await readEnds(db)
  const { indexed } = ends
  const bounds = await findBounds(db, plan.times, { low: after + 1, before, ends })
  const records: StoredRecord[] = []
  let { low, high } = bounds
  for (let looked = 0; low <= high && records.length < limit; ) {
    if (looked >= budget) return { records: inOrder(records, newest), seen: newest ? high + 1 : low - 1 }
    if (looked > 0) await nextTurn()
    const span = { low, high, newest, limit: limit - records.length }
    const step = await readStep(db, plan, span, indexed)
    looked += step.looked
    for (const row of step.rows) {
      if (records.length === limit) break
      if (step.rest.length === 0 || matchesAuditFilter(parseStoredRecord(row), step.rest)) records.push(row)
      if (records.length === limit) step.end = row.seq
    }
    if (newest) high = step.end - 1
    else low = step.end + 1
  }
  const isWhole = low > high
  const end = newest ? after + 1 : Math.max(after, bounds.top)
  return { records: inOrder(records, newest), seen: isWhole ? end : newest ? high + 1 : low - 1 }
}

interface Plan {
  /** The condition that an index answers, and what is then asked of the records themselves. */
  index: { condition: IndexedCondition; rest: AuditFilter } | undefined
  /** The bounds in time, where no index is followed. */
  times: AuditFilter
  /** What a statement asks that looks at a window, and what is then asked of the records. */
  window: { columns: AuditFilter; times: AuditFilter; rest: AuditFilter }
}

type IndexedCondition = AuditCondition & { field: IndexedField }

function planScan(filter: AuditFilter): Plan {
  const times = filter.filter(({ field }) => field === 'since' || field === 'until')
  const equal = filter.filter(isIndexed)
  const [condition] = equal.sort((one, other) => INDEXED.indexOf(one.field) - INDEXED.indexOf(other.field))
  const columns = filter.filter(isColumn)
  const rest = filter.filter((one) => !columns.includes(one) && !times.includes(one))
  const window = { columns, times, rest }
  if (condition === undefined) return { index: undefined, times, window }
  // Along an index a statement asks nothing else: it would look for the next that fits however far away that is.
  return { index: { condition, rest: filter.filter((one) => one !== condition) }, times: [], window }
}

function isIndexed(condition: AuditCondition): condition is IndexedCondition {
  const { field, operator, value } = condition
  if (field === 'outcome' && value === 'allow') return false
  return operator === '=' && INDEXED.some((name) => name === field)
}

function isColumn({ field, operator }: AuditCondition): boolean {
  return (operator === '=' || operator === '!=') && COLUMNS.includes(field)
}

interface Bounds {
  low: number
  high: number
  /** The highest that there is, whether anything there fits or not. */
  top: number
}

/** Where the log begins and ends, and where its indexes do. */
interface Ends {
  first: number
  top: number
  indexed: number
}

/** Asked as a whole, because a search by an index takes hardly longer than one of these questions. */
async function readEnds(db: Kysely<Schema>): Promise<Ends> {
  const { rows } = await sql<Record<keyof Ends, number | null>>`select
    (select min(seq) from audit_events) as first,
    (select max(seq) from audit_events) as top,
    (select max(seq) from audit_terms) as indexed`.execute(db)
  const [ends] = rows
  return { first: ends?.first ?? 0, top: ends?.top ?? -1, indexed: ends?.indexed ?? -1 }
}

/** The numbers between which there is anything to find; whatever no index has yet may be. */
async function findBounds(
  db: Kysely<Schema>,
  times: AuditFilter,
  { low, before = Number.POSITIVE_INFINITY, ends }: { low: number; before?: number | undefined; ends: Ends },
): Promise<Bounds> {
  const { first, indexed } = ends
  const top = Math.min(ends.top, before - 1)
  // Where many of the first records are gone, nobody looks for them window by window.
  const start = Math.max(low, first)
  if (times.length === 0 || start > top) return { low: start, high: top, top }
  const found = await db
    .selectFrom('audit_terms')
    .where(withinTimes(times))
    .select(({ fn }) => [fn.min('seq').as('first'), fn.max('seq').as('last')])
    .executeTakeFirst()
  const high = top > indexed ? top : Math.min(top, found?.last ?? -1)
  return { low: Math.max(start, found?.first ?? indexed + 1), high, top }
}

interface Span {
  low: number
  high: number
  newest: boolean
  limit: number
}

interface Step {
  rows: StoredRecord[]
  /** What is still to be asked of the records. */
  rest: AuditFilter
  /** How many records were looked at, at most. */
  looked: number
  /** The last number that was. */
  end: number
}

/** Along the index as far as it goes, and by windows beyond. */
function readStep(db: Kysely<Schema>, { index, window }: Plan, span: Span, indexed: number): Promise<Step> {
  if (index === undefined) return readWindow(db, window, span)
  // Every id is found by itself, the newest too.
  const end = index.condition.field === 'id' ? span.high : indexed
  if ((span.newest ? span.high : span.low) > end) {
    return readWindow(db, window, { ...span, low: Math.max(span.low, end + 1) })
  }
  return readIndex(db, index, { ...span, high: Math.min(span.high, end) })
}

async function readIndex(
  db: Kysely<Schema>,
  { condition, rest }: NonNullable<Plan['index']>,
  { low, high, newest, limit }: Span,
): Promise<Step> {
  const { field, value } = condition
  const batch = Math.min(rest.length === 0 ? limit : BATCH, BATCH)
  // Every event has its own id: no column of `audit_terms`.
  const found =
    field === 'id'
      ? db
          .selectFrom('audit_events as e')
          .where('e.id', '=', value)
          .where('e.seq', '>=', low)
          .where('e.seq', '<=', high)
      : db
          .selectFrom('audit_terms as t')
          .innerJoin('audit_events as e', 'e.seq', 't.seq')
          .where(`t.${field}`, '=', value)
          .where('t.seq', '>=', low)
          .where('t.seq', '<=', high)
          .orderBy('t.seq', newest ? 'desc' : 'asc')
  const rows = await found.select(['e.seq', 'e.record']).limit(batch).execute()
  const isLast = rows.length < batch
  return { rows, rest, looked: batch, end: isLast ? (newest ? low : high) : (rows.at(-1)?.seq ?? high) }
}

async function readWindow(
  db: Kysely<Schema>,
  { columns, times, rest }: Plan['window'],
  { low, high, newest, limit }: Span,
): Promise<Step> {
  const most = rest.length === 0 ? limit : BATCH
  const end = newest ? Math.max(low, high - WINDOW + 1) : Math.min(high, low + WINDOW - 1)
  let matching = db
    .selectFrom('audit_events')
    .select(['seq', 'record'])
    .where(withinTimes(times))
    .where('seq', '>=', newest ? end : low)
    .where('seq', '<=', newest ? high : end)
  for (const condition of columns) matching = whereColumn(matching, condition)
  const rows = await matching
    .orderBy('seq', newest ? 'desc' : 'asc')
    .limit(most)
    .execute()
  const isCut = rows.length === most
  return { rows, rest, looked: WINDOW, end: isCut ? (rows.at(-1)?.seq ?? end) : end }
}

type Matching<O> = SelectQueryBuilder<Schema, 'audit_events', O>

function withinTimes(times: AuditFilter): Expression<SqlBool> {
  const where = expressionBuilder<Schema, 'audit_events' | 'audit_terms'>()
  return where.and(
    times.map(({ field, value }) => where('occurred_at', field === 'since' ? '>=' : '<', Date.parse(value))),
  )
}

function whereColumn<O>(matching: Matching<O>, { field, operator, value }: AuditCondition): Matching<O> {
  const column = field as IndexedField
  if (operator === '=') return matching.where(column, '=', value)
  return matching.where((where) => where.or([where(column, '!=', value), where(column, 'is', null)]))
}

function inOrder(records: StoredRecord[], newest: boolean): StoredRecord[] {
  return newest ? records.reverse() : records
}
