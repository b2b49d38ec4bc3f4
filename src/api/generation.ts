import { AuthsecError } from '../core/errors.js'
import type { Generation } from '../core/generation.js'
import { isJsonObject } from '../core/strict-json.js'
import { type ApiTarget, callServer } from './http.js'

/**
 * Tells a server's generation by what it serves without a session: the health of the client service is gone in B,
 * and only P has metadata under its own OAuth prefix. Undefined when nothing tells. Throws `network` and
 * `timed_out`: a server that does not answer has no generation.
 */
export async function probeGeneration(target: ApiTarget): Promise<Generation | undefined> {
  if ((await probe(target, '/authsec/clientms/health', 'status')) === 'found') {
    const metadata = await probe(target, '/authsec/oauth/v2/.well-known/oauth-authorization-server', 'issuer')
    return metadata === 'found' ? 'P' : 'A'
  }
  if ((await probe(target, '/.well-known/oauth-authorization-server', 'issuer')) === 'found') return 'B'
  return PULL_ANSWERS[await probe(target, '/authsec/uflow/sdk/delegation-token')]
}

// Without a client to pull for: A misses the parameter, B first of all a session.
const PULL_ANSWERS: Readonly<Record<string, Generation | undefined>> = {
  invalid_request: 'A',
  login_required: 'B',
}

/** `found` where an answer has a text of this name, `something` else with success, or the code of the refusal. */
async function probe(target: ApiTarget, path: string, name?: string): Promise<string> {
  try {
    const body = await callServer(target, { method: 'GET', path, session: 'never' })
    const isThere = name !== undefined && isJsonObject(body) && typeof body[name] === 'string'
    return isThere ? 'found' : 'something'
  } catch (error) {
    if (!AuthsecError.is(error) || ['network', 'timed_out'].includes(error.code)) throw error
    return error.code
  }
}
