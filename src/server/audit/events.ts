import type { AuditLog } from '../../authority/audit/log.js'
import { parseAuditFilter } from '../../core/audit-filter.js'
import type { AuditEntry } from '../../core/audit-record.js'
import { AuthsecError } from '../../core/errors.js'
import { parseTime } from '../../core/time.js'
import type { AuditQuery } from '../../store/store.js'
import type { Endpoint } from '../endpoint.js'
import { readQueryInteger } from '../fields.js'

const DEFAULT_LIMIT = 100
const MAX_LIMIT = 1_000
const MAX_WAIT_SECONDS = 25

/** Events by sequence number; `wait` holds the answer until there is one, which is how `audit tail` follows. */
export const events: Endpoint<'admin'> = {
  method: 'GET',
  paths: ['/audit/events'],
  access: 'admin',
  modes: ['dev'],
  summary: 'Search and follow the audit log',
  event: 'audit.read',
  errors: 'authsec',

  async handle(request, { authority, signal }) {
    const query = new URL(request.url).searchParams
    const search = readSearch(query)
    const wait = readQueryInteger(query, 'wait', { min: 0, max: MAX_WAIT_SECONDS }) ?? 0
    const found = await searchOrWait(authority.audit, search, wait, signal)
    return Response.json({ events: found, next: found.at(-1)?.seq ?? search.after ?? -1 })
  },
}

async function searchOrWait(
  audit: AuditLog,
  search: AuditQuery,
  waitSeconds: number,
  signal: AbortSignal,
): Promise<AuditEntry[]> {
  const until =
    waitSeconds === 0 ? undefined : AbortSignal.any([signal, AbortSignal.timeout(waitSeconds * 1000)])
  while (true) {
    // Listen before looking: what is appended in between is not missed.
    const more = until && audit.appended(until)
    const found = await audit.search(search)
    if (found.length > 0 || until === undefined || until.aborted) return found
    await more
  }
}

function readSearch(query: URLSearchParams): AuditQuery {
  const last = readQueryInteger(query, 'last', { min: 0, max: MAX_LIMIT })
  const limit = readQueryInteger(query, 'limit', { min: 1, max: MAX_LIMIT }) ?? DEFAULT_LIMIT
  return {
    filters: query.getAll('filter').map(readFilter),
    after: readQueryInteger(query, 'after', { min: -1, max: Number.MAX_SAFE_INTEGER }),
    since: readInstant(query, 'since'),
    until: readInstant(query, 'until'),
    limit: last ?? limit,
    newest: last !== undefined,
  }
}

function readFilter(text: string): ReturnType<typeof parseAuditFilter> {
  return asRequestError(() => parseAuditFilter(text))
}

function readInstant(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name)
  return text === null ? undefined : asRequestError(() => parseTime(text, Date.now()))
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
