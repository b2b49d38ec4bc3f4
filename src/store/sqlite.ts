import { accessSync, chmodSync, closeSync, constants, openSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Dialect, SqliteDialect, type SqliteStatement } from 'kysely'
import Database from 'libsql'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'

type Bound = number | bigint | string | Uint8Array | null

const MEMORY = ':memory:'
const MAX_STATEMENTS = 200

/** An open database, and what makes it fit for keeping something. */
export interface Engine {
  /**
   * Its failures that have a meaning are `temporarily_unavailable` (full disk, I/O error) and `conflict` (a unique
   * value is taken); every other is a surprise.
   */
  dialect: Dialect
  /** Readies the file for durable commits. It changes the file, so it comes after the proof that it is ours. */
  makeDurable(): void
}

/**
 * Opens SQLite through `libsql`: one file, or memory for `:memory:`. The file stays locked against every other
 * process until it is closed, and the operating system drops the lock of a killed one.
 *
 * Throws `state_locked` when another process holds it and `state_unreadable` when it is not a database.
 */
export function openSqlite(file: string): Engine {
  const database = openDatabase(file)
  const statements = new Map<string, SqliteStatement>()
  let isDurable = false

  return {
    dialect: new SqliteDialect({
      database: {
        prepare(sql) {
          const statement = statements.get(sql) ?? wrapStatement(database, sql)
          // Back in at the end: the first is then the one that nobody has asked for the longest.
          statements.delete(sql)
          statements.set(sql, statement)
          if (statements.size > MAX_STATEMENTS) statements.delete(statements.keys().next().value ?? sql)
          return statement
        },
        close() {
          statements.clear()
          closeDatabase(database, isDurable)
        },
      },
    }),
    makeDurable() {
      try {
        if (file !== MEMORY) chmodSync(file, 0o600)
        database.exec('pragma journal_mode = wal')
      } catch (error) {
        throw explainOpenFailure(error, file)
      }
      isDurable = true
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
    if (isDurable) database.exec('pragma journal_mode = delete')
    database.exec('pragma locking_mode = normal')
    database.prepare('select count(*) from sqlite_master').get()
  } catch {
    // A disk that fails now takes nothing away: what is committed stands in the log, where the next start finds it.
  } finally {
    database.close()
  }
}

function explainOpenFailure(error: unknown, file: string): Error {
  const code = readCode(error)
  if (/^SQLITE_(?:BUSY|LOCKED)/.test(code)) {
    return new AuthsecError('state_locked', `another process holds ${quote(file, 200)}`, { cause: error })
  }
  return new AuthsecError(
    'state_unreadable',
    `${quote(file, 200)} cannot be opened as a database${code && ` (${code})`}`,
    {
      hint: 'Keep the file for inspection and start with another --state directory.',
      cause: error,
    },
  )
}

function wrapStatement(database: Database.Database, sql: string): SqliteStatement {
  const statement = explained(() => database.prepare(sql))
  return {
    reader: statement.reader,
    all: (parameters) =>
      explained(() => {
        const rows = statement.all(bind(parameters))
        for (const row of rows) readBlobs(row as Record<string, unknown>)
        return rows
      }),
    run: (parameters) =>
      explained(() => {
        // SQLite undoes by itself what a full disk interrupts: a second rollback would fail and hide the reason.
        if (sql === 'rollback' && !database.inTransaction) return { changes: 0, lastInsertRowid: 0 }
        const { changes, lastInsertRowid } = statement.run(bind(parameters))
        return { changes, lastInsertRowid }
      }),
    iterate: () => {
      throw new TypeError('rows are read whole')
    },
  }
}

function readCode(error: unknown): string {
  return String((error as { code?: unknown } | null)?.code ?? '')
}

function explained<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw explainFailure(error)
  }
}

function explainFailure(cause: unknown): unknown {
  const code = readCode(cause)
  if (/^SQLITE_(?:FULL|IOERR|READONLY|CANTOPEN|BUSY|NOMEM)/.test(code)) {
    return new AuthsecError('temporarily_unavailable', 'the store cannot be read or written right now', {
      hint: 'Check the free space and the health of the disk that holds the state.',
      cause,
    })
  }
  if (/^SQLITE_CONSTRAINT_(?:PRIMARYKEY|UNIQUE)/.test(code)) {
    return new AuthsecError('conflict', 'it exists already', { cause })
  }
  return cause
}

// libsql 0.5 ends the process on some values, turns others into NULL and cuts text at U+0000 without a word, so
// nothing reaches it unchecked; always an array, because a bare buffer is one of the values it does not survive.
function bind(parameters: readonly unknown[]): Bound[] {
  return parameters.map((value) => {
    if (typeof value === 'boolean') return value ? 1 : 0
    if (value === null || typeof value === 'bigint') return value
    if (typeof value === 'string' && value.isWellFormed() && !value.includes('\0')) return value
    if (typeof value === 'number' && Number.isFinite(value)) return value
    if (value instanceof Uint8Array) return value
    throw new TypeError(`this ${typeof value} cannot be stored`)
  })
}

function readBlobs(row: Record<string, unknown>): void {
  for (const name in row) {
    const value = row[name]
    if (value instanceof ArrayBuffer) row[name] = new Uint8Array(value)
  }
  delete row['_metadata']
}
