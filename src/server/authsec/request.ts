import { AuthsecError } from '../../core/errors.js'
import type { JsonObject } from '../../core/strict-json.js'
import { readUuid } from '../../core/uuid.js'
import { readJson } from '../body.js'

/** Reads a body; what is wrong with it is an `invalid_request` in AuthSec's words, `Invalid request: …`. */
export async function readRequest<T>(request: Request, read: (body: JsonObject) => T): Promise<T> {
  try {
    return read(await readJson(request))
  } catch (error) {
    if (!AuthsecError.is(error, 'invalid_request')) throw error
    throw new AuthsecError('invalid_request', `Invalid request: ${error.message}`)
  }
}

/** Reads the `:id` of a path; throws `invalid_request` with AuthSec's words for something that is no UUID. */
export function readId(params: Readonly<Record<string, string>>, refusal: string): string {
  const id = readUuid(params['id'] ?? '')
  if (id === undefined) throw new AuthsecError('invalid_request', refusal)
  return id
}
