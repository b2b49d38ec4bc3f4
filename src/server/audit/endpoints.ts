import type { AnyEndpoint } from '../endpoint.js'
import { event } from './event.js'
import { events } from './events.js'
import { auditExport } from './exports.js'
import { eventProof, logCheckpoint, logEntries, logKeys, logTile } from './log.js'
import { eventStream } from './stream.js'
import { useReceipt } from './use.js'

/** The audit log. */
export const AUDIT_ENDPOINTS: readonly AnyEndpoint[] = [
  events,
  eventStream,
  event,
  eventProof,
  auditExport,
  logCheckpoint,
  logKeys,
  // Before the tiles of hashes, among whose paths theirs would be.
  logEntries,
  logTile,
  useReceipt,
]
