import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'

/**
 * What the system says against writing a file, such as a disk that is full: a `configuration` failure that names the
 * file and says what to do. Every other error stays what it is.
 */
export function toWriteFailure(
  path: string,
  error: unknown,
  hint = 'Name a place where you may write.',
): unknown {
  if (!(error instanceof Error && 'syscall' in error && 'code' in error)) return error
  return new AuthsecError('configuration', `${quote(path, 200)} cannot be written (${error.code})`, {
    hint,
    cause: error,
  })
}
