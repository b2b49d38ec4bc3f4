import type { AnyEndpoint } from '../endpoint.js'
import { events } from './events.js'
import { eventProof, logCheckpoint, logEntries, logKeys, logTile } from './log.js'

/** The audit log. */
export const AUDIT_ENDPOINTS: readonly AnyEndpoint[] = [
  events,
  eventProof,
  logCheckpoint,
  logKeys,
  // Before the tiles of hashes, among whose paths theirs would be.
  logEntries,
  logTile,
]
