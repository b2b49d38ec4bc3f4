import type { AuditLog } from '../../authority/audit/log.js'
import { type AuditFilter, MAX_CONDITIONS, parseAuditFilter } from '../../core/audit-filter.js'
import type { PersonalData } from '../../core/audit-record.js'
import { AuthsecError } from '../../core/errors.js'
import { parseStoredRecord } from '../../core/stored-record.js'
import { parseTime } from '../../core/time.js'
import type { AuditQuery, StoredRecord } from '../../store/store.js'
import type { Endpoint } from '../endpoint.js'
import { readQueryBoolean, readQueryInteger, readQueryString, readQueryStrings } from '../fields.js'
import { joinSignals } from '../signals.js'

/** The parameters of a query that `readFilter` reads. */
export const CONDITIONS = ['filter', 'since', 'until'] as const

const DEFAULT_LIMIT = 100
const MAX_LIMIT = 1_000
const MAX_WAIT_SECONDS = 25

/** Events by sequence number; `wait` holds the answer until there is one, which is how `audit tail` follows. */
export const events: Endpoint<'admin'> = {
  method: 'GET',
  paths: ['/audit/events'],
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'Search and follow the audit log',
  speaks: 'authsec',
  query: [...CONDITIONS, 'after', 'before', 'last', 'limit', 'personal', 'wait'],
  event: 'audit.read',
  errors: 'authsec',

  async handle(request, { authority, caller, stopping, provenance }) {
    const query = new URL(request.url).searchParams
    const search = readSearch(query, authority.clock())
    const personal = readQueryBoolean(query, 'personal') ?? false
    const wait = readQueryInteger(query, 'wait', { min: 0, max: MAX_WAIT_SECONDS }) ?? 0
    const waiting = joinSignals([stopping, request.signal], wait * 1000)
    try {
      const page = await readPage(authority.audit, search, waiting.signal)
      authority.auditReads.note(caller, { filter: search.filter ?? [], personal }, page.records, provenance)
      const seqs = personal ? page.records.map(({ seq }) => seq) : []
      const place = await describePlace(authority.audit, page, search)
      return formatPage(page.records, place, await authority.audit.findPersonal(seqs))
    } finally {
      waiting.release()
    }
  },
}

interface Page {
  records: readonly StoredRecord[]
  seen: number
  /** The end of the log before it was searched. */
  head: number
}

/** Searches until something is found, or once when the signal has aborted. */
async function readPage(audit: AuditLog, query: AuditQuery, waiting: AbortSignal): Promise<Page> {
  let search = query
  while (true) {
    // Listen before looking: what is appended in between is not missed.
    const more = audit.appended(waiting)
    const head = await audit.head()
    const { records, seen } = await audit.scan(search)
    if (records.length > 0 || waiting.aborted) return { records, seen, head }
    search = { ...search, after: search.newest ? head : seen }
    if (seen >= head || search.newest) await more
  }
}

/**
 * Where to go on: `next` is an `after`, `id` the event there where that is the end of the log, `previous` a `before`.
 * `first` is the first record that is left where some have been pruned.
 */
async function describePlace(
  audit: AuditLog,
  { seen, head }: Page,
  { after = -1, newest }: AuditQuery,
): Promise<object> {
  if (!newest) return { next: seen, ...(seen < head && { more: true }) }
  const next = Math.max(after, head)
  const [id, first] = await Promise.all([findEventId(audit, next), audit.first()])
  return { next, id, ...(first > 0 && { first }), ...(seen > after + 1 && { previous: seen }) }
}

/** The records as they are stored, with where to go on. */
function formatPage(
  records: readonly StoredRecord[],
  place: object,
  personal: ReadonlyMap<number, PersonalData>,
): Response {
  const events = records.map((stored) => formatRecord(stored, personal.get(stored.seq)))
  const body = `{"events":[${events.join(',')}],${JSON.stringify(place).slice(1)}`
  return new Response(body, { headers: { 'content-type': 'application/json' } })
}

/**
 * A record as it is stored, with its place in the log, and with what is kept beside it where that is wanted. Throws
 * `state_unreadable` for one that is no event: nobody could read the answer that it stands in.
 */
export function formatRecord(stored: StoredRecord, personal?: PersonalData): string {
  parseStoredRecord(stored)
  const { seq, record } = stored
  const beside = personal === undefined ? '' : `,"personal":${JSON.stringify(personal)}`
  return `{"seq":${seq},"event":${record}${beside}}`
}

// What is damaged there was told before, or is not what the caller asks for.
export async function findEventId(audit: AuditLog, seq: number): Promise<string | undefined> {
  const { records } = await audit.scan({ after: seq - 1, limit: 1 })
  try {
    return records.filter((stored) => stored.seq === seq).map((stored) => parseStoredRecord(stored).id)[0]
  } catch {
    return undefined
  }
}

function readSearch(query: URLSearchParams, now: number): AuditQuery {
  const last = readQueryInteger(query, 'last', { min: 0, max: MAX_LIMIT })
  const limit = readQueryInteger(query, 'limit', { min: 1, max: MAX_LIMIT }) ?? DEFAULT_LIMIT
  return {
    filter: readFilter(query, now),
    after: readQueryInteger(query, 'after', { min: -1, max: Number.MAX_SAFE_INTEGER }),
    before: readQueryInteger(query, 'before', { min: 0, max: Number.MAX_SAFE_INTEGER }),
    limit: last ?? limit,
    newest: last !== undefined,
  }
}

/** The conditions of a query: `filter`, several of which hold together, `since` and `until`. Throws `invalid_request`. */
export function readFilter(query: URLSearchParams, now: number): AuditFilter {
  const texts = readQueryStrings(query, 'filter')
  const times = (['since', 'until'] as const).flatMap((field) => {
    const text = readQueryString(query, field)
    return text === undefined ? [] : [{ field, operator: '=', value: readInstant(text, now) } as const]
  })
  const filter = [...texts.flatMap((text) => parseFilter(text, now)), ...times]
  if (filter.length > MAX_CONDITIONS) {
    throw new AuthsecError('invalid_request', `more than ${MAX_CONDITIONS} conditions`)
  }
  return filter
}

/** Reads conditions from a request; throws `invalid_request` naming the word that is none. */
export function parseFilter(text: string, now: number): AuditFilter {
  return asRequestError(() => parseAuditFilter(text, now))
}

function readInstant(text: string, now: number): string {
  return asRequestError(() => new Date(parseTime(text, now)).toISOString())
}

// The readers serve the command line too, where the same mistake is a matter of usage.
function asRequestError<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!AuthsecError.is(error)) throw error
    throw new AuthsecError('invalid_request', error.message, { hint: error.hint })
  }
}
