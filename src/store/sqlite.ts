import { chmodSync, closeSync, openSync } from 'node:fs'
import { type Dialect, SqliteDialect } from 'kysely'
import Database from 'libsql'
import { AuthsecError } from '../core/errors.js'

type Bound = number | bigint | string | Uint8Array | null

/**
 * Opens SQLite through `libsql`: one file, or memory for `:memory:`. The file stays locked against every other
 * process until it is closed, and the operating system drops the lock of a killed one.
 *
 * Throws `state_locked` when another process holds it and `state_unreadable` when it is not a database.
 */
export function openSqlite(file: string): Dialect {
  if (file !== ':memory:') createPrivately(file)
  const database = openDatabase(file)
  const statements = new Map<string, ReturnType<typeof wrapStatement>>()

  return new SqliteDialect({
    database: {
      prepare(sql) {
        const known = statements.get(sql)
        if (known !== undefined) return known
        const statement = wrapStatement(database.prepare(sql))
        if (statements.size < 200) statements.set(sql, statement)
        return statement
      },
      close: () => closeDatabase(database),
    },
  })
}

/** What of an engine's error a caller may see: a full or failing disk is 503, a constraint stays itself. */
export function isUnavailable(error: unknown): boolean {
  const code = String((error as { code?: unknown } | null)?.code ?? '')
  return /^SQLITE_(FULL|IOERR|READONLY|CANTOPEN|BUSY|NOMEM)/.test(code)
}

function openDatabase(file: string): Database.Database {
  const database = new Database(file)
  try {
    // EXCLUSIVE before WAL: the lock is then taken by the first read and the index of the log stays in memory.
    database.exec('pragma locking_mode = exclusive')
    database.exec('pragma busy_timeout = 0')
    database.exec('pragma journal_mode = wal')
    database.exec('pragma synchronous = full')
    database.exec('pragma fullfsync = on')
    database.exec('pragma foreign_keys = on')
    database.exec('begin immediate; commit')
    return database
  } catch (error) {
    database.close()
    throw explainOpenFailure(error, file)
  }
}

// libsql keeps the file open for as long as a prepared statement is in memory; the lock must not last that long.
function closeDatabase(database: Database.Database): void {
  database.exec('pragma journal_mode = delete')
  database.exec('pragma locking_mode = normal')
  database.prepare('select count(*) from sqlite_master').get()
  database.close()
}

function explainOpenFailure(error: unknown, file: string): Error {
  const text = `${(error as { code?: unknown }).code} ${(error as Error).message}`
  if (/BUSY|LOCKED|locked/.test(text)) {
    return new AuthsecError('state_locked', `another process holds ${file}`, { cause: error })
  }
  return new AuthsecError('state_unreadable', `${file} cannot be read as a database`, {
    hint: 'Keep the file for inspection and start with another --state directory.',
    cause: error,
  })
}

// The engine gives its side files the mode of the main one.
function createPrivately(file: string): void {
  closeSync(openSync(file, 'a', 0o600))
  chmodSync(file, 0o600)
}

function wrapStatement(statement: Database.Statement) {
  return {
    reader: statement.reader,
    all: (parameters: readonly unknown[]) => {
      const rows = statement.all(bind(parameters))
      for (const row of rows) readBlobs(row as Record<string, unknown>)
      return rows
    },
    run: (parameters: readonly unknown[]) => {
      const { changes, lastInsertRowid } = statement.run(bind(parameters))
      return { changes, lastInsertRowid }
    },
    iterate: () => {
      throw new TypeError('rows are read whole')
    },
  }
}

// libsql 0.5 ends the process on some values and turns others into NULL without a word, so nothing reaches it
// unchecked; always an array, because a bare buffer is one of the values it does not survive.
function bind(parameters: readonly unknown[]): Bound[] {
  return parameters.map((value) => {
    if (typeof value === 'boolean') return value ? 1 : 0
    if (value === null || typeof value === 'string' || typeof value === 'bigint') return value
    if (typeof value === 'number' && Number.isFinite(value)) return value
    if (value instanceof Uint8Array) return value
    throw new TypeError(`a ${typeof value} cannot be stored`)
  })
}

function readBlobs(row: Record<string, unknown>): void {
  for (const name in row) {
    const value = row[name]
    if (value instanceof ArrayBuffer) row[name] = new Uint8Array(value)
  }
  delete row['_metadata']
}
