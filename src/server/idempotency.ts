import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'

// A structured string may stand in quotation marks; the value is one word that every log can hold.
const KEY = /^"?([\w-]{8,64})"?$/

/**
 * The `Idempotency-Key` of a request, which a retry repeats: answers are never stored, so the retry gets an answer of its
 * own, and both records carry the key as the id of their request. Only where a retry would ask a person twice it gets the
 * same answer, and no record carries the key. Throws `invalid_request` for what is no such word.
 */
export function readIdempotencyKey(request: Request): string | undefined {
  const header = request.headers.get('idempotency-key')
  if (header === null) return undefined
  const [, key] = KEY.exec(header) ?? []
  if (key !== undefined) return key
  throw new AuthsecError(
    'invalid_request',
    `the Idempotency-Key ${quote(header)} is not one word of 8 to 64 characters`,
  )
}
