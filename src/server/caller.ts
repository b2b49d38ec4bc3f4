import type { Provenance } from '../authority/audit/log.js'
import type { Authority } from '../authority/authority.js'
import type { Caller } from '../authority/callers.js'
import { assertAdmin, type Session } from '../authority/sessions.js'
import { AuthsecError } from '../core/errors.js'
import type { Endpoint } from './endpoint.js'

/**
 * Who calls an endpoint, which the provenance tells from then on. Throws `login_required` without a live session where
 * one is needed, and `access_denied` without `admin:access` where that is.
 */
export async function findCaller(
  request: Request,
  { access }: Pick<Endpoint, 'access'>,
  authority: Authority,
  provenance: Provenance,
): Promise<Session | Caller | undefined> {
  if (access === 'public') return undefined
  if (access === 'agent') {
    const caller = await authority.callers.resume(request.headers.get('authorization'))
    provenance.caller = caller.parties
    return caller
  }
  const session = await resumeSession(request, authority, provenance)
  if (access === 'admin') assertAdmin(session)
  return session
}

/** The same for a session that a request need not carry; throws `login_required` for one that is not alive. */
export async function findSession(
  request: Request,
  authority: Authority,
  provenance: Provenance,
): Promise<Session | undefined> {
  return request.headers.has('authorization') ? resumeSession(request, authority, provenance) : undefined
}

async function resumeSession(
  request: Request,
  { sessions }: Authority,
  provenance: Provenance,
): Promise<Session> {
  const session = await sessions.resume(readBearer(request))
  provenance.caller = { actor: { type: 'user', id: session.user.id } }
  provenance.act = session.act
  return session
}

/** The bearer token of a request, with AuthSec's wording when there is none. Throws `login_required`. */
export function readBearer(request: Request): string {
  const header = request.headers.get('authorization')
  if (header === null) throw new AuthsecError('login_required', 'authorization header required')
  const [, token] = /^Bearer ([^\s]+)$/i.exec(header) ?? []
  if (token === undefined) throw new AuthsecError('login_required', 'invalid authorization header format')
  return token
}
