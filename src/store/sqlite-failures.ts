import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { createDamaged, createStoreFailure } from './unavailable.js'

/** What the engine says while the disk does not do its part, and the operating system of the files beside. */
const OF_THE_MOMENT = /^(?:SQLITE_(?:FULL|IOERR|NOMEM)|(?:ENOSPC|EDQUOT|EIO|ENOMEM)$)/
/** What they say of what may not be written. */
const OF_A_RIGHT = /^(?:SQLITE_(?:READONLY|CANTOPEN)|(?:EROFS|EACCES|EPERM)$)/

/** What they say of what is not as it was written. */
const OF_DAMAGE = /^SQLITE_(?:CORRUPT|NOTADB)/

const CHECK_DISK = 'Check the free space and the health of the disk that holds the state.'

/**
 * Runs something in the engine, or on a file beside, and gives its failures their meaning; the others pass as they are.
 */
export function explained<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw explainFailure(error)
  }
}

/** What every write and read is told while the disk does not do its part. */
export function createUnavailable(cause: unknown): AuthsecError {
  return createStoreFailure('the store cannot be read or written right now', {
    hint: CHECK_DISK,
    cause,
  })
}

/** Why a file cannot be opened; only the last means that there is something wrong with the file itself. */
export function explainOpenFailure(cause: unknown, file: string): AuthsecError {
  const name = quote(file, 200)
  const code = readCode(cause)
  const why = code && ` (${code})`
  if (/^SQLITE_(?:BUSY|LOCKED)/.test(code)) {
    return new AuthsecError('state_locked', `another process holds ${name}`, { cause })
  }
  if (OF_THE_MOMENT.test(code)) {
    return createStoreFailure(`${name} cannot be opened right now${why}`, {
      hint: `${CHECK_DISK} Then start again: nothing is lost.`,
      cause,
    })
  }
  if (OF_A_RIGHT.test(code)) {
    return new AuthsecError('state_unreadable', `${name} cannot be written${why}`, {
      hint: 'Give it and its directory to the user who starts the server, on a volume that is mounted for writing.',
      cause,
    })
  }
  return new AuthsecError('state_unreadable', `${name} cannot be opened as a database${why}`, {
    hint: 'Keep the file for inspection, and restore the state from a backup or start with another --state directory.',
    cause,
  })
}

// The engine's own word for a failure, or the operating system's; empty for one of neither.
function readCode(error: unknown): string {
  return String((error as { code?: unknown } | null)?.code ?? '')
}

function explainFailure(cause: unknown): unknown {
  const code = readCode(cause)
  if (OF_THE_MOMENT.test(code) || OF_A_RIGHT.test(code) || /^SQLITE_BUSY/.test(code)) {
    return createUnavailable(cause)
  }
  if (OF_DAMAGE.test(code)) return createDamaged(`the database is damaged (${code})`, cause)
  if (/^no such table: /.test((cause as Error).message)) {
    return createDamaged('a table of the database is missing', cause)
  }
  if (/^SQLITE_CONSTRAINT_(?:PRIMARYKEY|UNIQUE)/.test(code)) {
    return new AuthsecError('conflict', 'it exists already', { cause })
  }
  return cause
}
