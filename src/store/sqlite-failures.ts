import { AuthsecError } from '../core/errors.js'
import { createStoreFailure } from './unavailable.js'

/** Runs something in the engine and gives its failures their meaning; the others pass as they are. */
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
    hint: 'Check the free space and the health of the disk that holds the state.',
    cause,
  })
}

/** The engine's own word for a failure, or the operating system's; empty for one of neither. */
export function readCode(error: unknown): string {
  return String((error as { code?: unknown } | null)?.code ?? '')
}

function explainFailure(cause: unknown): unknown {
  const code = readCode(cause)
  if (/^SQLITE_(?:FULL|IOERR|READONLY|CANTOPEN|BUSY|NOMEM)/.test(code)) {
    return createUnavailable(cause)
  }
  if (/^SQLITE_CONSTRAINT_(?:PRIMARYKEY|UNIQUE)/.test(code)) {
    return new AuthsecError('conflict', 'it exists already', { cause })
  }
  return cause
}
