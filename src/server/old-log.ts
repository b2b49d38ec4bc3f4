import type { FormerLog } from '../authority/audit/new-log.js'
import type { Authority } from '../authority/authority.js'
import { encodeBase64 } from '../core/base64.js'
import { type Checkpoint, parseCheckpoint } from '../core/checkpoint.js'
import { type LogFile, readLogFiles } from '../core/log-source.js'
import type { Store } from '../store/store.js'

/** Puts the files of a log where they stay. */
export type KeepLog = (files: AsyncIterable<LogFile>) => Promise<void>

/** A log that comes to its end. */
export interface OldLog {
  /** The highest head of it that is known to have been signed. */
  former: FormerLog
  /** How many of its records were there to keep. */
  kept: number
}

/**
 * Keeps the log of a state as far as it is signed, before another one takes its place; `heads` are those that are known
 * to have been signed, of this log or others.
 */
export async function keepOldLog(
  { publishedLog, identity }: Authority,
  store: Store,
  heads: readonly Checkpoint[],
  keepLog: KeepLog,
): Promise<OldLog> {
  const head = await store.auditTree.head()
  if (head !== undefined) await keepLog(readLogFiles(publishedLog, head))
  const [highest] = [...heads, ...(head === undefined ? [] : [parseCheckpoint(head.note)])]
    .filter(({ origin }) => origin === identity.logId)
    .sort((one, other) => other.size - one.size)
  const root = highest ? encodeBase64(highest.root) : ''
  return {
    former: { origin: identity.logId, size: highest?.size ?? 0, root },
    kept: head?.size ?? 0,
  }
}
