import type { AuditLog } from '../../authority/audit/log.js'
import { type AuditFilter, parseAuditFilter } from '../../core/audit-filter.js'
import type { AuditEntry } from '../../core/audit-record.js'
import { AuthsecError } from '../../core/errors.js'
import { parseTime } from '../../core/time.js'
import type { AuditQuery } from '../../store/store.js'
import type { Endpoint } from '../endpoint.js'
import { readQueryInteger, readQueryString, readQueryStrings } from '../fields.js'

const DEFAULT_LIMIT = 100
const MAX_LIMIT = 1_000
const MAX_WAIT_SECONDS = 25
const MAX_FILTERS = 20

/** Events by sequence number; `wait` holds the answer until there is one, which is how `audit tail` follows. */
export const events: Endpoint<'admin'> = {
  method: 'GET',
  paths: ['/audit/events'],
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'Search and follow the audit log',
  speaks: 'authsec',
  event: 'audit.read',
  errors: 'authsec',

  async handle(request, { authority, stopping }) {
    const query = new URL(request.url).searchParams
    const search = readSearch(query, authority.clock())
    const wait = readQueryInteger(query, 'wait', { min: 0, max: MAX_WAIT_SECONDS }) ?? 0
    const waiting = joinSignals([stopping, request.signal], wait * 1000)
    try {
      return Response.json(await readPage(authority.audit, search, waiting.signal))
    } finally {
      waiting.release()
    }
  },
}

interface Page {
  events: AuditEntry[]
  /** What to pass as `after` to go on from here. */
  next: number
}

/** Searches until something is found, or once when the signal has aborted. */
async function readPage(audit: AuditLog, query: AuditQuery, waiting: AbortSignal): Promise<Page> {
  let search = query
  while (true) {
    // Listen before looking: what is appended in between is not missed.
    const more = audit.appended(waiting)
    const head = await audit.head()
    const events = await audit.search(search)
    const found = events.at(-1)?.seq ?? search.after ?? -1
    // A page that is not full has seen the whole log: whoever goes on need not search it again.
    const isFull = events.length === search.limit && !search.newest
    const next = isFull ? found : Math.max(found, head)
    if (events.length > 0 || waiting.aborted) return { events, next }
    search = { ...search, after: next }
    await more
  }
}

/**
 * A signal that aborts with any of the others, or after a time, until it is released. `AbortSignal.any` would
 * leave an entry for each request in the signal that lives as long as the server (Node 20).
 */
function joinSignals(
  signals: readonly AbortSignal[],
  timeoutMs: number,
): { signal: AbortSignal; release: () => void } {
  const joined = new AbortController()
  const end = () => joined.abort()
  if (timeoutMs === 0 || signals.some(({ aborted }) => aborted)) end()
  const timer = setTimeout(end, timeoutMs)
  for (const signal of signals) signal.addEventListener('abort', end)
  return {
    signal: joined.signal,
    release() {
      clearTimeout(timer)
      for (const signal of signals) signal.removeEventListener('abort', end)
      end()
    },
  }
}

function readSearch(query: URLSearchParams, now: number): AuditQuery {
  const last = readQueryInteger(query, 'last', { min: 0, max: MAX_LIMIT })
  const limit = readQueryInteger(query, 'limit', { min: 1, max: MAX_LIMIT }) ?? DEFAULT_LIMIT
  return {
    filters: readFilters(query),
    after: readQueryInteger(query, 'after', { min: -1, max: Number.MAX_SAFE_INTEGER }),
    since: readInstant(query, 'since', now),
    until: readInstant(query, 'until', now),
    limit: last ?? limit,
    newest: last !== undefined,
  }
}

function readFilters(query: URLSearchParams): AuditFilter[] {
  const texts = readQueryStrings(query, 'filter')
  if (texts.length > MAX_FILTERS) {
    throw new AuthsecError('invalid_request', `more than ${MAX_FILTERS} filters`)
  }
  return texts.map((text) => asRequestError(() => parseAuditFilter(text)))
}

function readInstant(query: URLSearchParams, name: string, now: number): number | undefined {
  const text = readQueryString(query, name)
  return text === undefined ? undefined : asRequestError(() => parseTime(text, now))
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
