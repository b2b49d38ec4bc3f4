import { AUDIT_EVENTS, type AuditEvent } from './audit-record.js'
import { AuthsecError } from './errors.js'
import { quote } from './printable.js'

/** The fields by which the log can be searched. */
export const AUDIT_FILTER_FIELDS = [
  'type',
  'outcome',
  'reason',
  'client',
  'subject',
  'jti',
  'parent_jti',
  'delegation',
  'txn',
] as const

export type AuditFilterField = (typeof AUDIT_FILTER_FIELDS)[number]

/** One condition; several hold together. A `type` may end in `*`, as in `token.*`. */
export interface AuditFilter {
  field: AuditFilterField
  value: string
}

/** Reads `field=value`; throws `usage` naming an unknown field, outcome or event type. */
export function parseAuditFilter(text: string): AuditFilter {
  const [, name, value] = /^([a-z_]+)=(.+)$/s.exec(text) ?? []
  const field = AUDIT_FILTER_FIELDS.find((known) => known === name)
  if (field === undefined || value === undefined) {
    throw new AuthsecError('usage', `${quote(text)} is not a filter`, {
      hint: `Write field=value with one of: ${AUDIT_FILTER_FIELDS.join(', ')}.`,
    })
  }
  if (field === 'outcome' && !['allow', 'deny', 'error'].includes(value)) {
    throw new AuthsecError('usage', `${quote(value)} is not an outcome`, {
      hint: 'Use allow, deny or error.',
    })
  }
  if (field === 'type' && !isKnownType(value)) {
    throw new AuthsecError('usage', `${quote(value)} is not an event type`, {
      hint: `Known types: ${Object.keys(AUDIT_EVENTS).join(', ')}; token.* means all that start so.`,
    })
  }
  return { field, value }
}

/** Whether an event meets a condition; a field the event does not have never does. */
export function matchesAuditFilter(event: AuditEvent, { field, value }: AuditFilter): boolean {
  if (field === 'subject') return event.subject?.id === value
  if (field === 'type' && value.endsWith('*')) return event.type.startsWith(value.slice(0, -1))
  return event[field] === value
}

function isKnownType(value: string): boolean {
  const types = Object.keys(AUDIT_EVENTS)
  return value.endsWith('*')
    ? types.some((type) => type.startsWith(value.slice(0, -1)))
    : types.includes(value)
}
