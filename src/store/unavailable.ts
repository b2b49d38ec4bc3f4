import { AuthsecError, type AuthsecErrorOptions } from '../core/errors.js'

const failures = new WeakSet<AuthsecError>()

/** What everybody is told while the store itself cannot read or write, `temporarily_unavailable`. */
export function createStoreFailure(message: string, options: AuthsecErrorOptions = {}): AuthsecError {
  const failure = new AuthsecError('temporarily_unavailable', message, options)
  failures.add(failure)
  return failure
}

/** What is told of a store that is not as it was written; nothing but another copy of it helps. */
export function createDamaged(message: string, cause: unknown): AuthsecError {
  return new AuthsecError('state_unreadable', message, {
    hint: 'Keep it for inspection, and restore the state from a backup.',
    cause,
  })
}

/**
 * Whether it was the store that failed: much else is `temporarily_unavailable`, but of this alone nothing can be
 * recorded, and whoever runs the server has to hear of it.
 */
export function isStoreFailure(error: unknown): boolean {
  return AuthsecError.is(error) && failures.has(error)
}
