import { randomUUID } from 'node:crypto'

/**
 * A UUIDv7 (RFC 9562 §5.7): sorts by time, unguessable in the rest. What is looked up by it later lies together in an
 * index, so that a group of new ones changes one page of it and not one page each.
 */
export function createTimeOrderedId(nowMs: number): string {
  const time = nowMs.toString(16).padStart(12, '0')
  // Variant and random bits come from a UUIDv4, of which only the version digit is another.
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`
}
