import { closeSync, fdatasync, openSync } from 'node:fs'
import { promisify } from 'node:util'

/** Brings to the disk what has been written to a file. */
export type SyncFile = (descriptor: number) => Promise<void>

/** `fdatasync`, on the thread pool: nobody else waits for the disk. */
export const syncFile: SyncFile = promisify(fdatasync)

/** The log into which SQLite commits, seen from beside SQLite. */
export interface WriteAheadLog {
  /** Resolves once everything that was committed before the call is on the disk. */
  sync(): Promise<void>
  close(): void
}

/**
 * Syncs the log of a database through a descriptor of its own. SQLite takes its locks on the other files, so that
 * closing this descriptor drops none (POSIX fcntl); and it writes the log from its start again but never replaces it
 * while the database is open in WAL mode, so that the descriptor stays the right one.
 */
export function openWriteAheadLog(database: string, sync: SyncFile): WriteAheadLog {
  // Opened late: SQLite creates the log with the first commit. It syncs the directory then.
  let descriptor: number | undefined
  return {
    async sync() {
      descriptor ??= openSync(`${database}-wal`, 'r+')
      await sync(descriptor)
    },
    close() {
      if (descriptor !== undefined) closeSync(descriptor)
      descriptor = undefined
    },
  }
}
