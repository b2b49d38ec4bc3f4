import type { AuditEvent } from './audit-record.js'
import { AuthsecError } from './errors.js'
import { isJsonObject } from './strict-json.js'

/** Reads a record as it is stored; throws `state_unreadable` naming one that is no event any more. */
export function parseStoredRecord({ seq, record }: { seq: number; record: string }): AuditEvent {
  const event = readEvent(record)
  if (event !== undefined) return event
  throw new AuthsecError('state_unreadable', `record ${seq} of the audit log is damaged`, {
    hint: 'See with authsec audit verify what else is not as it was signed, and put a backup of the state back.',
  })
}

function readEvent(record: string): AuditEvent | undefined {
  try {
    const event = JSON.parse(record)
    // What the search cannot do without.
    const isEvent =
      isJsonObject(event) &&
      ['id', 'type', 'outcome', 'occurred_at'].every((name) => typeof event[name] === 'string') &&
      !Number.isNaN(Date.parse(String(event['occurred_at'])))
    return isEvent ? (event as unknown as AuditEvent) : undefined
  } catch {
    return undefined
  }
}
