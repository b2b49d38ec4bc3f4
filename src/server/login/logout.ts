import { authsecPaths, type Endpoint } from '../endpoint.js'

/** Ends the session that calls. Gen A has no such thing, Gen B2 has it here. */
export const logout: Endpoint<'session'> = {
  method: 'POST',
  paths: authsecPaths('/auth/logout'),
  access: 'session',
  modes: ['dev', 'shared'],
  summary: 'End the session that calls',
  speaks: 'AuthSec B2',
  event: 'session.ended',
  errors: 'authsec',

  async handle(_request, { authority, caller, provenance }) {
    await authority.sessions.end(caller, provenance)
    return Response.json({ status: 'logged_out' })
  },
}
