import { AUDIT_EVENTS, type AuditEvent } from '../core/audit-record.js'
import { toPrintable } from '../core/printable.js'
import { formatTime } from '../core/time.js'
import type { TimelineEntry } from './audit-follow.js'
import type { Style } from './io.js'

/**
 * One event as one printable line. For a person: number, time, outcome and what happened in words. Elsewhere the
 * same separated by tabs: seq, time, outcome, words, client, subject, aud, permissions, reason, actor.
 */
export function formatEntry(entry: TimelineEntry, style: Style, isTerminal: boolean): string {
  return isTerminal ? formatForPerson(entry, style) : formatForScript(entry)
}

/** How many events of which type there were: `3 events: token.exchanged 2, delegation.pulled 1`. */
export function formatCounts(counts: ReadonlyMap<string, number>): string {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
  const types = [...counts].map(([type, count]) => `${toPrintable(type)} ${count}`)
  return `${total} ${total === 1 ? 'event' : 'events'}${total === 0 ? '' : `: ${types.join(', ')}`}`
}

function formatForScript({ seq, event }: TimelineEntry): string {
  const { outcome, client, subject, aud, reason, actor } = event
  return [
    String(seq ?? ''),
    formatOccurrence(event),
    outcome,
    describeType(event),
    client ?? '',
    subject?.id ?? '',
    (aud ?? []).join(' '),
    formatPermissions(event),
    reason ?? '',
    actor === undefined ? '' : `${actor.type}:${actor.id}`,
  ]
    .map(toPrintable)
    .join('\t')
}

function formatForPerson({ seq, event }: TimelineEntry, style: Style): string {
  const { outcome, client, subject, aud, reason, actor } = event
  const permissions = formatPermissions(event)
  const facts = [
    describeType(event),
    client && `client ${client}`,
    // A client that acts for itself has been named.
    actor && actor.id !== client && `by ${actor.type} ${actor.id}`,
    subject && `for ${subject.type} ${subject.id}`,
    aud && aud.length > 0 && `at ${aud.join(' ')}`,
    permissions && (outcome === 'allow' ? permissions : `asked ${permissions}`),
    reason,
  ]
  const paint = outcome === 'allow' ? style.good : style.bad
  const start = [
    style.faint(String(seq ?? '').padStart(5)),
    style.faint(formatOccurrence(event)),
    paint(toPrintable(outcome).padEnd(5)),
  ]
  return [...start, formatFacts(facts)].join('  ')
}

/** What there is to say of several facts, printable and on one line; what is missing says nothing. */
export function formatFacts(facts: readonly (string | false | undefined)[]): string {
  return facts
    .filter((fact) => typeof fact === 'string' && fact !== '')
    .map((fact) => toPrintable(String(fact)))
    .join('  ')
}

/** What somebody did in an event, in words; of a type that is not known here its name. */
export function describeType({ type }: AuditEvent): string {
  return Object.hasOwn(AUDIT_EVENTS, type) ? AUDIT_EVENTS[type] : type
}

// Of a refusal what was asked for says more than that nothing was granted.
function formatPermissions({ outcome, permissions }: AuditEvent): string {
  const list = outcome === 'allow' ? (permissions?.granted ?? permissions?.asked) : permissions?.asked
  return (list ?? []).join(' ')
}

/** When an event happened, printable: RFC 3339, or what the server says instead. */
export function formatOccurrence({ occurred_at }: AuditEvent): string {
  const instant = Date.parse(occurred_at)
  return Number.isNaN(instant) ? toPrintable(occurred_at) : formatTime(instant)
}
