import type { Kysely, SelectQueryBuilder } from 'kysely'
import { type AuditCondition, type AuditFilter, matchesAuditFilter } from '../core/audit-filter.js'
import type { AuditRow, Schema } from './schema.js'
import type { AuditQuery, AuditScan, StoredRecord } from './store.js'

/** How many records one statement looks at, so that none holds up a server of one thread. */
const WINDOW = 2_000
const BATCH = 500

/** The columns with an index that ends in the sequence number, those first that leave the fewest records. */
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
 * window; what no column answers the records themselves do. After `budget` records that were looked at it stops, and
 * says how far it came.
 */
export async function scanAudit(
  db: Kysely<Schema>,
  { filter = [], after = -1, before, limit, newest = false }: AuditQuery,
  budget: number = Number.POSITIVE_INFINITY,
): Promise<AuditScan> {
  const plan = planScan(filter)
  const bounds = await findBounds(db, plan.times, after + 1, before)
  const records: StoredRecord[] = []
  let { low, high } = bounds
  for (let looked = 0; low <= high && records.length < limit; ) {
    if (looked >= budget) return { records: inOrder(records, newest), seen: newest ? high + 1 : low - 1 }
    if (looked > 0) await breathe()
    const step = await readStep(db, plan, { low, high, newest, limit: limit - records.length })
    looked += step.looked
    for (const row of step.rows) {
      if (records.length === limit) break
      if (plan.rest.length === 0 || matchesAuditFilter(JSON.parse(row.record), plan.rest)) records.push(row)
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
  /** The condition that an index answers. */
  index: (AuditCondition & { field: IndexedField }) | undefined
  /** What the statement asks besides, where it looks at a window. */
  columns: AuditFilter
  times: AuditFilter
  /** What is asked of the records themselves. */
  rest: AuditFilter
}

function planScan(filter: AuditFilter): Plan {
  const times = filter.filter(({ field }) => field === 'since' || field === 'until')
  const equal = filter.filter(isIndexed)
  const [index] = equal.sort((one, other) => INDEXED.indexOf(one.field) - INDEXED.indexOf(other.field))
  // Along an index a statement asks nothing else: it would look for the next that fits however far away that is.
  if (index !== undefined) {
    return { index, columns: [], times: [], rest: filter.filter((condition) => condition !== index) }
  }
  const columns = filter.filter(isColumn)
  return {
    index,
    columns,
    times,
    rest: filter.filter((one) => !columns.includes(one) && !times.includes(one)),
  }
}

function isIndexed(condition: AuditCondition): condition is AuditCondition & { field: IndexedField } {
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

/** The numbers between which there is anything to find. */
async function findBounds(
  db: Kysely<Schema>,
  times: AuditFilter,
  lowest: number,
  before: number = Number.POSITIVE_INFINITY,
): Promise<Bounds> {
  const last = await withinTimes(db, [])
    .select(({ fn }) => fn.max('seq').as('seq'))
    .executeTakeFirst()
  const top = Math.min(last?.seq ?? -1, before - 1)
  const bounds = { low: lowest, high: top, top }
  if (times.length === 0 || bounds.low > bounds.high) return bounds
  const found = await withinTimes(db, times)
    .select(({ fn }) => [fn.min('seq').as('first'), fn.max('seq').as('last')])
    .executeTakeFirst()
  const [low, high] = [found?.first ?? top + 1, found?.last ?? -1]
  return { low: Math.max(lowest, low), high: Math.min(top, high), top }
}

interface Span {
  low: number
  high: number
  newest: boolean
  limit: number
}

interface Step {
  rows: StoredRecord[]
  /** How many records were looked at, at most. */
  looked: number
  /** The last number that was. */
  end: number
}

async function readStep(db: Kysely<Schema>, plan: Plan, span: Span): Promise<Step> {
  const { index, columns, times, rest } = plan
  const { low, high, newest, limit } = span
  const most = rest.length === 0 ? limit : BATCH
  const order = newest ? 'desc' : 'asc'
  if (index !== undefined) {
    const batch = Math.min(most, BATCH)
    const rows = await withinTimes(db, [])
      .select(['seq', 'record'])
      .where(index.field, '=', index.value)
      .where('seq', '>=', low)
      .where('seq', '<=', high)
      .orderBy('seq', order)
      .limit(batch)
      .execute()
    const isLast = rows.length < batch
    return { rows, looked: batch, end: isLast ? (newest ? low : high) : (rows.at(-1)?.seq ?? high) }
  }
  const end = newest ? Math.max(low, high - WINDOW + 1) : Math.min(high, low + WINDOW - 1)
  let matching = withinTimes(db, times)
    .select(['seq', 'record'])
    .where('seq', '>=', newest ? end : low)
    .where('seq', '<=', newest ? high : end)
  for (const condition of columns) matching = whereColumn(matching, condition)
  const rows = await matching.orderBy('seq', order).limit(most).execute()
  const isCut = rows.length === most
  return { rows, looked: WINDOW, end: isCut ? (rows.at(-1)?.seq ?? end) : end }
}

type Matching<O> = SelectQueryBuilder<Schema, 'audit_events', O>

function withinTimes(db: Kysely<Schema>, times: AuditFilter) {
  let matching = db.selectFrom('audit_events')
  for (const { field, value } of times) {
    matching = matching.where('occurred_at', field === 'since' ? '>=' : '<', Date.parse(value))
  }
  return matching
}

function whereColumn<O>(matching: Matching<O>, { field, operator, value }: AuditCondition): Matching<O> {
  const column = field as IndexedField
  if (operator === '=') return matching.where(column, '=', value)
  return matching.where((where) => where.or([where(column, '!=', value), where(column, 'is', null)]))
}

function inOrder(records: StoredRecord[], newest: boolean): StoredRecord[] {
  return newest ? records.reverse() : records
}

function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
