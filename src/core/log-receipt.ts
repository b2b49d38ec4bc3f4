import { type LogNotes, timeOf } from './log-notes.js'
import type { LogWalk } from './log-walk.js'

/** A token that the server has given out: its event has to be there. */
export interface TokenReceipt {
  eventId: string
  /** Of its signing input, as the record of its event has it. */
  hash: string
}

/** What a log says of a token. */
export type ReceiptState =
  | { is: 'there'; index: number }
  /** The record of its event names another token: this one is not what was given out. */
  | { is: 'other'; index: number }
  | { is: 'absent' }
  /** Whether its event has been in the log cannot be told, and why. */
  | { is: 'undecided'; why: string }

// An event is named when its request begins, and stands in the log when it is answered.
const MAX_REQUEST_MS = 60_000

/**
 * Looks for the event of a token. A log that is read at its server has the events of all tokens there are; a copy has
 * those of its time.
 */
export function weighReceipt(
  { eventId, hash }: TokenReceipt,
  { found }: LogNotes,
  { first, last, pruned }: Pick<LogWalk, 'first' | 'last' | 'pruned'>,
  isLive: boolean,
): ReceiptState {
  if (found !== undefined) return { is: found.tokenHash === hash ? 'there' : 'other', index: found.index }
  const at = readIdTime(eventId)
  if (at === undefined) return { is: 'absent' }
  if (!isLive && at > readTime(last) - MAX_REQUEST_MS)
    return { is: 'undecided', why: 'it is newer than this copy of the log' }
  if (pruned > 0 && at < readTime(first) + MAX_REQUEST_MS) {
    return { is: 'undecided', why: 'it is as old as the records that have been pruned' }
  }
  return { is: 'absent' }
}

/** When a UUIDv7 was made, RFC 9562 §5.7. */
function readIdTime(id: string): number | undefined {
  const [, high, low] = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/.exec(id) ?? []
  return high === undefined ? undefined : Number.parseInt(`${high}${low}`, 16)
}

// A record without a time is never newer than anything: then the event may be missing for any reason.
function readTime(record: Uint8Array | undefined): number {
  const time = Date.parse(timeOf(record) ?? '')
  return Number.isNaN(time) ? 0 : time
}
