import type { AuthsecError } from '../core/errors.js'

/**
 * What a model may know of a failure to get a token: whether to try again and what to tell the user, in our words
 * alone. Undefined for a mistake of the program, which the developer should see as it is.
 */
export function describeForModel(error: AuthsecError): string | undefined {
  return error.modelMessage
}
