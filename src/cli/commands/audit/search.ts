import type { Command } from '@commander-js/extra-typings'
import {
  type AuditQuery,
  MAX_AUDIT_PAGE,
  readAuditHead,
  readEventsUpTo,
  readNewestEvents,
} from '../../../api/audit.js'
import { findAuthsecLogs } from '../../../api/authsec-logs.js'
import {
  AUDIT_FILTER_FIELDS,
  type AuditFilter,
  type AuditFilterField,
  readAuditField,
} from '../../../core/audit-filter.js'
import { describePruned } from '../../../core/audit-record.js'
import { AuthsecError } from '../../../core/errors.js'
import { addAuditFlags, addTimeFlags, listTimes, readFilter } from '../../audit-flags.js'
import type { TimelineEntry } from '../../audit-follow.js'
import { searchLogs } from '../../audit-polling.js'
import type { ToldTimelineEntry } from '../../audit-printer.js'
import { formatEntry } from '../../audit-text.js'
import { type Connection, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags, parseWholeNumber } from '../../flags.js'
import { describe } from '../../help.js'
import { greetLog } from '../../log-contact.js'

/** The newest events that match, oldest of them first; with --count-by the most frequent values of that field. */
export type Output = readonly ToldTimelineEntry[] | readonly ValueCount[]

type CountedField = Exclude<AuditFilterField, 'text'>

/**
 * A value of the field, in the member that is named after it and beside which there is no other; null counts the events
 * that have none.
 */
interface ValueCount extends Readonly<Partial<Record<CountedField, string | null>>> {
  /** How many events have it; one with several values counts for each. */
  events: number
}

const DEFAULT_LIMIT = 100
/** All fields but the one that is no one thing. */
const COUNTED = Object.keys(AUDIT_FILTER_FIELDS).filter((field) => field !== 'text')

export function addSearch(parent: Command, context: Context): void {
  const { now } = context.clock
  const command = describe(parent.command('search'), {
    summary: 'search the audit log',
    details:
      'Prints the newest events that match, oldest of them first. With --count-by it counts all that match by what they ' +
      'have in one field of the filter language; an event with several values there counts for each.',
    examples: [
      ['authsec audit search --outcome deny --since 1h', 'what was refused in the last hour'],
      ['authsec audit search --client demo-agent --type token.exchanged --json', 'the tokens of one agent'],
      ['authsec audit search --outcome deny --since 24h --count-by reason', 'why things were refused today'],
    ],
    exits: [0, 2, 4, 5, 6, 7, 16, 18, 19, ...SERVER_EXITS],
    seeAlso: ['authsec audit tail'],
  })
    .option('--limit <n>', 'how many at most', parseWholeNumber(1, MAX_AUDIT_PAGE), DEFAULT_LIMIT)
    .addOption(
      parent
        .createOption('--count-by <field>', 'count all that match by this field, the most frequent first')
        .choices(COUNTED),
    )
    .option('--json', 'print a JSON array', false)
  addConnectionFlags(addAuditFlags(addTimeFlags(command, now), now)).action(async (flags) => {
    const { limit, json, countBy } = flags
    const connection = await openConnection(context, flags)
    const filter = [...(await readFilter(connection, flags)), ...listTimes(flags)]
    await greetLog(context, connection.target)
    if (countBy === undefined) await search(context, connection, { filter, last: limit }, json)
    else await count(context, connection, { filter, field: countBy as CountedField, limit }, json)
  })
}

async function search(
  { io }: Context,
  connection: Connection,
  query: AuditQuery & { last: number },
  json: boolean,
): Promise<void> {
  const { entries, first } = await findNewest(connection, query)
  if (first > 0 && entries.length < query.last) io.note(`the ${describePruned(first)}`)
  if (json) {
    io.json<Output>(entries)
    return
  }
  if (entries.length === 0) {
    io.note('no events')
    return
  }
  const style = await io.style()
  for (const entry of entries) io.line(formatEntry(entry, style, io.isTerminal))
  if (entries.length === query.last) {
    io.note(`the newest ${entries.length}; there may be more: see --since, --until and --limit`)
  }
}

/** Of a server that has no such log those of AuthSec, whose events have no places. */
async function findNewest(
  { target, findTenant }: Connection,
  query: AuditQuery & { last: number },
): Promise<{ entries: TimelineEntry[]; first: number }> {
  try {
    return await readNewestEvents(target, query)
  } catch (error) {
    if (!AuthsecError.is(error, 'not_found')) throw error
    const logs = await findAuthsecLogs(target, findTenant)
    if (logs === undefined) throw error
    const found = await searchLogs(logs, query.filter, query.last)
    return { entries: found.map(({ event }) => ({ seq: null, event })), first: 0 }
  }
}

interface CountRequest {
  filter: AuditFilter
  field: CountedField
  /** How many values at most. */
  limit: number
}

async function count(
  { io }: Context,
  { target }: Connection,
  request: CountRequest,
  json: boolean,
): Promise<void> {
  const { filter, field, limit } = request
  const counts = new Map<string | null, number>()
  const { after: last, first } = await readAuditHead(target)
  for await (const entries of readEventsUpTo(target, { filter, last })) {
    for (const { event } of entries) {
      const values = new Set(readAuditField(event, field))
      for (const value of values.size === 0 ? [null] : values) counts.set(value, (counts.get(value) ?? 0) + 1)
    }
  }
  const rows = [...counts].sort(([, one], [, other]) => other - one)
  if (first > 0) io.note(`the ${describePruned(first)}`)
  if (json) io.json<Output>(rows.slice(0, limit).map(([value, events]) => ({ [field]: value, events })))
  else if (rows.length === 0) io.note('no events')
  else
    await io.table(
      ['events', field],
      rows.slice(0, limit).map(([value, events]) => [String(events), value ?? '(none)']),
    )
  if (rows.length > limit) io.note(`the ${limit} most frequent of ${rows.length}; see --limit`)
}
