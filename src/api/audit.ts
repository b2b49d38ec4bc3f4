import { type AuditFilter, formatAuditFilter } from '../core/audit-filter.js'
import type { AuditEntry, PersonalData } from '../core/audit-record.js'
import { isJsonObject, type Json } from '../core/strict-json.js'
import { readShape, readShapes } from './answer.js'
import { readAuditEvent } from './audit-event.js'
import { type ApiTarget, callServer } from './http.js'
import type { Explanation, Refusal } from './refusal.js'

export interface AuditQuery {
  filter: AuditFilter
  /** Only what comes after this sequence number. */
  after?: number | undefined
  /** Only what comes before this sequence number. */
  before?: number | undefined
  /** Only the newest so many. */
  last?: number | undefined
  limit?: number | undefined
  /** Whether what is kept beside the events comes along. */
  personal?: boolean | undefined
}

export interface AuditPage {
  /** In the order of the log. */
  entries: AuditEntry[]
  /** Pass it as `after` to go on from here. */
  next: number
  /** Of the event at `next`, where that is the end of the log. */
  id: string | undefined
  /** The place of the first record that is left; 0 where none have been pruned, or the server does not say. */
  first: number
  /** Pass it as `before` to go on towards the beginning: the server looks at so many events at once and no more. */
  previous: number | undefined
}

/** The most events that the server sends at once. */
export const MAX_AUDIT_PAGE = 1000

const AUDIT_PAGE = { next: 'number', id: 'text?', first: 'number?', previous: 'number?' } as const

/** Reads events of the audit log. */
async function readAudit(target: ApiTarget, query: AuditQuery): Promise<AuditPage> {
  const body = await callServer(target, {
    method: 'GET',
    path: '/audit/events',
    session: 'required',
    explain: explainAbsence(target),
    query: {
      after: query.after,
      before: query.before,
      last: query.last,
      limit: query.limit,
      personal: query.personal ? 'true' : undefined,
      filter: query.filter.length === 0 ? undefined : formatAuditFilter(query.filter),
    },
  })
  const { next, id, first = 0, previous, events } = readShape(body, AUDIT_PAGE, 'page of events')
  const entries = readShapes(events, { seq: 'number' }, 'event').map(({ seq, event, personal }) => ({
    seq,
    event: readAuditEvent(event),
    ...(query.personal && { personal: readPersonal(personal) }),
  }))
  return { entries, next, id, first, previous }
}

/**
 * Reads the newest `last` events that fit, ascending: page by page, where the server looks at no more at once; and says
 * which is the first record that is left.
 */
export async function readNewestEvents(
  target: ApiTarget,
  query: AuditQuery & { last: number },
): Promise<Pick<AuditPage, 'entries' | 'first'>> {
  let found: AuditEntry[] = []
  let first = 0
  let before = query.before
  do {
    const page = await readAudit(target, { ...query, before, last: query.last - found.length })
    found = [...page.entries, ...found]
    first = page.first
    // Only ever towards the beginning, whatever the server says.
    before =
      page.previous === undefined || page.previous >= (before ?? Number.POSITIVE_INFINITY)
        ? undefined
        : page.previous
  } while (before !== undefined && found.length < query.last)
  return { entries: found, first }
}

/** Reads all events that fit, ascending, between two sequence numbers, page by page. */
export async function* readEventsUpTo(
  target: ApiTarget,
  {
    filter,
    last,
    after: first = -1,
    personal,
  }: Pick<AuditQuery, 'filter' | 'after' | 'personal'> & { last: number },
): AsyncGenerator<AuditEntry[]> {
  for (let after = first; after < last; ) {
    const page = await readAudit(target, { filter, after, before: last + 1, limit: MAX_AUDIT_PAGE, personal })
    yield page.entries
    // Only ever towards the end, whatever the server says.
    if (page.next <= after) return
    after = page.next
  }
}

/** The place of the newest event, -1 while the log is empty, with its id where the server says that, and of the first. */
export async function readAuditHead(
  target: ApiTarget,
): Promise<{ after: number; id: string | undefined; first: number }> {
  const { next, id, first } = await readAudit(target, { filter: [], last: 0 })
  return { after: next, id, first }
}

/** The place of the first event behind another; undefined where there is none. */
export async function findNextPlace(target: ApiTarget, after: number): Promise<number | undefined> {
  return (await readAudit(target, { filter: [], after, limit: 1 })).entries[0]?.seq
}

/** The event that has a number; undefined where there is none. */
export async function findEventAt(target: ApiTarget, seq: number): Promise<AuditEntry | undefined> {
  const { entries } = await readAudit(target, { filter: [], after: seq - 1, limit: 1 })
  return entries.find((entry) => entry.seq === seq)
}

/** Has the server record that the log is taken along, and says up to which sequence number that is. */
export async function recordExport(
  target: ApiTarget,
  { format, filter, personal = false }: { format: string; filter: AuditFilter; personal?: boolean },
): Promise<number> {
  const body = await callServer(target, {
    method: 'POST',
    path: '/audit/exports',
    session: 'required',
    explain: explainAbsence(target),
    json: {
      format,
      ...(filter.length > 0 && { filter: formatAuditFilter(filter) }),
      ...(personal && { personal }),
    },
  })
  return readShape(body, { last: 'number' }, 'record of the export').last
}

function explainAbsence({ serverUrl }: ApiTarget): (refusal: Refusal) => Explanation | undefined {
  return ({ status }) =>
    status === 404
      ? {
          code: 'not_found',
          message: `${serverUrl} has no audit log that can be verified`,
          hint: "AuthSec's own logs are read by authsec audit search and authsec audit tail.",
        }
      : undefined
}

/** One event by its id; throws `not_found`. */
export async function findAuditEvent(target: ApiTarget, eventId: string): Promise<AuditEntry> {
  const path = `/audit/events/${encodeURIComponent(eventId)}`
  return readAuditEntry(await callServer(target, { method: 'GET', path, session: 'required' }))
}

/** Reads an event with its place; throws `server_error` for what is none. */
export function readAuditEntry(body: Json | undefined): AuditEntry {
  const { seq, event } = readShape(body, { seq: 'number' }, 'event')
  return { seq, event: readAuditEvent(event) }
}

function readPersonal(value: Json | undefined): PersonalData {
  const { ip, user_agent } = isJsonObject(value) ? value : {}
  const asText = (member: Json | undefined) => (typeof member === 'string' ? member : undefined)
  return { ip: asText(ip), user_agent: asText(user_agent) }
}
