import { findEventAt, findNextPlace, readAuditHead, readEventsUpTo, readNewestEvents } from '../api/audit.js'
import { type AuditCursor, type AuditGap, streamAudit } from '../api/audit-stream.js'
import type { ApiTarget } from '../api/http.js'
import type { AuditFilter } from '../core/audit-filter.js'
import type { AuditEntry } from '../core/audit-record.js'
import { AuthsecError } from '../core/errors.js'
import { listTimes } from './audit-flags.js'
import { type FollowOptions, type FollowStep, followAudit } from './audit-follow.js'

/** Where a tail begins: behind a place, at a time, or with the newest so many. */
export interface TailStart {
  cursor: AuditCursor | undefined
  /** RFC 3339. */
  since: string | undefined
  lines: number | undefined
}

export interface TailOptions extends Pick<FollowOptions, 'greet' | 'clock' | 'random' | 'signal'> {
  filter: AuditFilter
  start: TailStart
  /** Whether to go on when everything has been read that there is. */
  follow: boolean
  /** The origin of the log, where it is published. */
  log: string | undefined
}

/** Reads a log from where a tail begins: steps together that came together. */
export async function* readTail(target: ApiTarget, options: TailOptions): AsyncGenerator<FollowStep[]> {
  const { filter, start, follow, log } = options
  const connect = (cursor: AuditCursor) => streamAudit(target, cursor, filter)
  if (start.cursor !== undefined) await assertPlace(target, start.cursor)
  if (start.cursor !== undefined && follow) {
    return yield* followAudit({ ...options, connect, cursor: start.cursor })
  }
  const head = await readAuditHead(target)
  yield* readStart(target, options, head.after)
  // Up to there everything has been looked at, whatever of it was wanted.
  const cursor = { ...head, log }
  yield [{ type: 'place', cursor }]
  if (follow) yield* followAudit({ ...options, connect, cursor })
}

async function* readStart(
  target: ApiTarget,
  { filter, start, log }: TailOptions,
  head: number,
): AsyncGenerator<FollowStep[]> {
  const { cursor, since, lines } = start
  const wanted = [...filter, ...listTimes({ since })]
  if (cursor === undefined && lines !== undefined) {
    if (lines > 0)
      yield toSteps(
        (await readNewestEvents(target, { filter: wanted, before: head + 1, last: lines })).entries,
      )
    return
  }
  const gap = cursor && (await findGap(target, cursor, { after: head, log }))
  if (gap !== undefined) yield [{ type: 'gap', gap }]
  const pages = readEventsUpTo(target, { filter: wanted, after: (gap ?? cursor)?.after, last: head })
  for await (const entries of pages) yield toSteps(entries)
}

/** Throws `audit_altered` where the event at a place is not the one that was read there. */
export async function assertPlace(target: ApiTarget, { after, log, id }: AuditCursor): Promise<void> {
  const found = id === undefined ? undefined : await findEventAt(target, after)
  // Of what has been pruned nobody can tell, and a log that ends before that or is another one says so itself.
  if (found === undefined || found.event.id === id || (log !== undefined && found.event.log !== log)) return
  throw new AuthsecError(
    'audit_altered',
    `record ${after} of the audit log is not the one that was read there`,
    {
      hint: 'An older copy of the server was put back and has gone on from there, or the log was rewritten: keep what you have read.',
    },
  )
}

// As the server says it over the stream.
async function findGap(
  target: ApiTarget,
  asked: AuditCursor,
  head: AuditCursor,
): Promise<AuditGap | undefined> {
  const { log } = head
  if (asked.log !== undefined && log !== undefined && asked.log !== log) {
    return { reason: 'other_log', asked: asked.after, after: -1, log }
  }
  if (asked.after > head.after) return { reason: 'ahead', asked: asked.after, ...head }
  const next = await findNextPlace(target, asked.after)
  if (next === undefined || next <= asked.after + 1) return undefined
  return { reason: 'pruned', asked: asked.after, after: next - 1, log }
}

function toSteps(entries: readonly AuditEntry[]): FollowStep[] {
  return entries.map((entry) => ({ type: 'event', entry }))
}
