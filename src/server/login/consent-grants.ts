import { formatTime } from '../../core/time.js'
import type { StoredSession } from '../../store/sessions.js'
import { authsecPaths, type Endpoint } from '../endpoint.js'

const GRANTS = '/oauth/consent-grants'
const DIFFERENCES = 'the sessions that clients hold; the shape of a grant is our own'

/** Which clients a person has let in: the sessions that they hold. */
export const listConsents: Endpoint<'session'> = {
  method: 'GET',
  paths: authsecPaths(GRANTS),
  access: 'session',
  modes: ['dev', 'shared'],
  summary: 'List the clients that the caller has let act in its name',
  speaks: 'AuthSec P',
  differences: DIFFERENCES,
  event: 'consent.read',
  errors: 'authsec',

  async handle(_request, { authority, caller }) {
    return Response.json((await authority.sessions.listHeld(caller)).map(formatGrant))
  },
}

/** Takes back what a person has agreed to: the client's session ends, and what descends from it dies with it. */
export const withdrawConsent: Endpoint<'session'> = {
  method: 'DELETE',
  paths: authsecPaths(`${GRANTS}/:id`),
  access: 'session',
  modes: ['dev', 'shared'],
  summary: "End a client's session of the caller",
  speaks: 'AuthSec P',
  differences: DIFFERENCES,
  event: 'session.ended',
  errors: 'authsec',

  async handle(_request, { authority, caller, params, provenance }) {
    const id = params['id'] ?? ''
    await authority.sessions.withdraw(id, caller, provenance)
    return Response.json({ status: 'revoked', id })
  },
}

function formatGrant({ id, clientId, kind, permissions, createdAt, expiresAt }: StoredSession): object {
  return {
    id,
    client_id: clientId,
    kind,
    // Nothing named means everything that the user may do.
    permissions: permissions ?? null,
    created_at: formatTime(createdAt),
    expires_at: formatTime(expiresAt),
  }
}
