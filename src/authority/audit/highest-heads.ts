import { type Checkpoint, parseCheckpoint } from '../../core/checkpoint.js'
import { AuthsecError } from '../../core/errors.js'
import { equalHashes } from '../../core/merkle.js'
import type { SignedHead } from '../../store/audit-tree.js'

/** The highest heads that were ever signed, kept where no backup of the store reaches. */
export interface HighWaterMark {
  /** One for each log; that of the log which was signed last is the last. */
  read(): Promise<readonly Checkpoint[]>
  /** Keeps a checkpoint, as that of the log which is signed last. */
  raise(note: string): Promise<void>
}

/** Keeps the mark for as long as the process runs: it finds out a store that is exchanged beneath it. */
export function createMemoryMark(): HighWaterMark {
  let highest: readonly Checkpoint[] = []
  return {
    read: async () => highest,
    async raise(note) {
      highest = [parseCheckpoint(note)]
    },
  }
}

/**
 * The highest head of a log that was ever signed; undefined where none of it is known. Throws `state_rolled_back` where
 * another log has taken its place since: what was revoked after that would live again.
 */
export function findHighest(heads: readonly Checkpoint[], logId: string): Checkpoint | undefined {
  const highest = heads.find(({ origin }) => origin === logId)
  const newest = heads.at(-1)
  if (highest === undefined || highest === newest) return highest
  throw rolledBack(`is ${logId}, whose place ${newest?.origin} has taken`)
}

/** Throws `state_rolled_back` where a head of the log has been signed that is higher than what is stored. */
export function assertHighest(stored: SignedHead | undefined, highest: Checkpoint | undefined): void {
  const size = stored?.size ?? 0
  if (highest === undefined || highest.size < size) return
  const isSame = highest.size === size && stored !== undefined
  if (isSame && equalHashes(parseCheckpoint(stored.note).root, highest.root)) return
  throw rolledBack(
    isSame
      ? `is another one than the log that was signed at ${size}`
      : `ends at ${size}, and was signed up to ${highest.size}`,
  )
}

/** What is said of a log that does not go on from where it was. */
export function rolledBack(what: string): AuthsecError {
  return new AuthsecError('state_rolled_back', `the audit log ${what}`, {
    hint: 'An older copy of the store has been put back. Restore the newest one, or see authsec dev recover --help.',
  })
}
