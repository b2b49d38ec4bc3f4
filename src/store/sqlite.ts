import { accessSync, chmodSync, closeSync, constants, openSync } from 'node:fs'
import { resolve } from 'node:path'
import { SqliteDialect, type SqliteStatement, sql } from 'kysely'
import Database from 'libsql'
import type { AuthsecError } from '../core/errors.js'
import { bindValues } from './bound-values.js'
import type { Engine } from './engine.js'
import { createInsert } from './insert.js'
import { shareNext } from './share-next.js'
import { createUnavailable, explained, explainOpenFailure } from './sqlite-failures.js'
import { openWriteAheadLog, type SyncFile, syncFile } from './write-ahead-log.js'

const MEMORY = ':memory:'
const MAX_STATEMENTS = 200
/** After so many pages the log is taken into the main file. Everybody waits for that: the more there are, the longer. */
const CHECKPOINT_PAGES = 1_000

/**
 * Opens SQLite through `libsql`: one file, or memory for `:memory:`. The file stays locked against every other
 * process until it is closed, and the operating system drops the lock of a killed one.
 *
 * A commit goes into the write-ahead log, and only `flush` brings it to the disk, on the thread pool: SQLite by itself
 * would do that inside the commit and hold up everybody. It still syncs whatever a checkpoint relies on, so that a
 * crash finds the file whole.
 *
 * Throws `state_locked` when another process holds it, `temporarily_unavailable` when its disk is full or fails, and
 * `state_unreadable` when it may not be written or is not a database.
 */
export function openSqlite(file: string, sync: SyncFile = syncFile): Engine {
  const log = file === MEMORY ? undefined : openWriteAheadLog(file, sync)
  const statements = new Map<string, SqliteStatement>()
  let database = openDatabase(file)
  let isDurable = false
  let failure: AuthsecError | undefined

  function makeDurable(): void {
    database.exec('pragma journal_mode = wal')
    database.exec('pragma synchronous = normal')
    database.exec(`pragma wal_autocheckpoint = ${CHECKPOINT_PAGES}`)
    isDurable = true
  }

  const flush = shareNext(async () => {
    try {
      await log?.sync()
    } catch (cause) {
      failure = createUnavailable(cause)
      throw failure
    }
  })

  function close(): void {
    statements.clear()
    log?.close()
    if (database.open) closeDatabase(database, isDurable)
    isDurable = false
  }

  return {
    dialect: new SqliteDialect({
      database: {
        prepare(text) {
          if (!database.open && failure !== undefined) throw failure
          const statement = statements.get(text) ?? wrapStatement(database, text)
          // Back in at the end: the first is then the one that nobody has asked for the longest.
          statements.delete(text)
          statements.set(text, statement)
          if (statements.size > MAX_STATEMENTS) statements.delete(statements.keys().next().value ?? text)
          return statement
        },
        close,
      },
    }),
    makeDurable() {
      try {
        if (file !== MEMORY) chmodSync(file, 0o600)
        makeDurable()
      } catch (error) {
        throw explainOpenFailure(error, file)
      }
    },
    async flush() {
      if (failure !== undefined) throw failure
      await flush()
    },
    foresee() {
      // Each question is asked in this process.
    },
    recover() {
      if (failure === undefined) return false
      try {
        close()
        database = openDatabase(file)
        rewriteLog(database)
        makeDurable()
        failure = undefined
        return true
      } catch (cause) {
        throw createUnavailable(cause)
      }
    },
    purge() {
      explained(() => {
        database.exec('vacuum')
        database.prepare('pragma wal_checkpoint(truncate)').all()
      })
    },
    insert: createInsert(),
    isAlone: true,
    now: sql<number>`cast((julianday('now') - 2440587.5) * 86400000 as integer)`,
    alternative: 'start with another --state directory',
    adaptStatement: (statement) => statement,
    async listTables(db) {
      return (await db.introspection.getTables()).map(({ name }) => name)
    },
  }
}

function openDatabase(file: string): Database.Database {
  let database: Database.Database | undefined
  try {
    if (file !== MEMORY) createFile(file)
    // Absolute, because a path that starts with file: would be read as a URI.
    database = new Database(file === MEMORY ? file : resolve(file))
    // EXCLUSIVE before WAL: the lock is then taken by the first read and the index of the log stays in memory.
    database.exec('pragma locking_mode = exclusive')
    database.exec('pragma busy_timeout = 0')
    database.exec('pragma synchronous = full')
    database.exec('pragma fullfsync = on')
    database.exec('pragma foreign_keys = on')
    database.exec('begin immediate; commit')
    return database
  } catch (error) {
    database?.close()
    throw explainOpenFailure(error, file)
  }
}

// The engine gives its side files the mode of the main one. A file that exists is not even opened: closing it would
// drop the locks that another store of this process has on it (POSIX fcntl).
function createFile(file: string): void {
  try {
    closeSync(openSync(file, 'wx', 0o600))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    accessSync(file, constants.R_OK | constants.W_OK)
  }
}

// libsql keeps the file open for as long as a prepared statement is in memory; the lock must not last that long.
function closeDatabase(database: Database.Database, isDurable: boolean): void {
  try {
    database.exec('pragma synchronous = full')
    if (isDurable) database.exec('pragma journal_mode = delete')
    database.exec('pragma locking_mode = normal')
    database.prepare('select count(*) from sqlite_master').get()
  } catch {
    // A disk that fails now takes nothing away: what is committed stands in the log, where the next start finds it.
  } finally {
    database.close()
  }
}

// After a failed sync the operating system takes for written what is not. Opening has checked the log record by record
// against its checksums; leaving WAL mode brings all of it into the main file, which is synced. The next log is new.
function rewriteLog(database: Database.Database): void {
  database.exec('pragma journal_mode = delete')
  const [found] = database.prepare('pragma integrity_check(1)').all() as { integrity_check?: string }[]
  if (found?.integrity_check !== 'ok') throw new Error(`integrity check: ${found?.integrity_check}`)
}

function wrapStatement(database: Database.Database, text: string): SqliteStatement {
  const statement = explained(() => database.prepare(text))
  return {
    reader: statement.reader,
    all: (parameters) =>
      explained(() => {
        const rows = statement.all(bindValues(parameters))
        for (const row of rows) readBlobs(row as Record<string, unknown>)
        return rows
      }),
    run: (parameters) =>
      explained(() => {
        // SQLite undoes by itself what a full disk interrupts: a second rollback would fail and hide the reason.
        if (text === 'rollback' && !database.inTransaction) return { changes: 0, lastInsertRowid: 0 }
        const { changes, lastInsertRowid } = statement.run(bindValues(parameters))
        return { changes, lastInsertRowid }
      }),
    iterate: () => {
      throw new TypeError('rows are read whole')
    },
  }
}

function readBlobs(row: Record<string, unknown>): void {
  for (const name in row) {
    const value = row[name]
    if (value instanceof ArrayBuffer) row[name] = new Uint8Array(value)
  }
  delete row['_metadata']
}
