import { randomUUID } from 'node:crypto'

/**
 * A UUIDv7 (RFC 9562 §5.7): sorts by time, unguessable in the rest. What is looked up by it later lies together in an
 * index, so that a group of new ones changes one page of it and not one page each.
 */
export function createTimeOrderedId(nowMs: number): string {
  const time = formatTimestamp(nowMs)
  // Variant and random bits come from a UUIDv4, of which only the version digit is another.
  return `${time}-7${randomUUID().slice(15)}`
}

/** What every id of that time and later is greater than, and every earlier one smaller. */
export function startOfTimeOrderedIds(nowMs: number): string {
  return formatTimestamp(nowMs)
}

function formatTimestamp(ms: number): string {
  const time = ms.toString(16).padStart(12, '0')
  return `${time.slice(0, 8)}-${time.slice(8)}`
}
