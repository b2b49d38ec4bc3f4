import { SESSION_ISSUER } from '../../authority/session-claims.js'
import { sortPermissions } from '../../core/permission.js'
import { formatTime } from '../../core/time.js'
import { listResources } from '../authsec/wire.js'
import { readJson } from '../body.js'
import { authsecPaths, type Endpoint } from '../endpoint.js'
import { requireString } from '../fields.js'

/** Whose session a token is: public at AuthSec too, because whoever holds the token could use it. */
export const verifySession: Endpoint<'public'> = {
  method: 'POST',
  paths: authsecPaths('/authmgr/token/verify'),
  access: 'public',
  modes: ['dev', 'shared'],
  summary: 'Whose session a token is, and what it may do now',
  speaks: 'AuthSec A',
  differences: 'sessions of this server only; a session that has ended is invalid at once',
  event: 'token.introspected',
  limit: 'verify',
  errors: 'authsec',
  refusals: { login_required: [401, 'invalid token'] },

  async handle(request, { authority, provenance }) {
    const body = await readJson(request)
    const token = requireString(body, 'token')
    const { audit, identity, sessions } = authority
    const session = await audit.attempt({ type: 'token.introspected' }, provenance, async (attempt) => {
      const found = await sessions.resume(token)
      attempt.note({ subject: { type: 'user', id: found.user.id }, client: found.clientId, jti: found.id })
      await attempt.commit()
      return found
    })
    const permissions = sortPermissions(session.user.permissions)
    return Response.json({
      valid: true,
      tenant_id: identity.tenantId,
      project_id: identity.tenantId,
      client_id: session.clientId ?? '',
      email_id: session.user.email,
      scopes: permissions,
      roles: session.user.roles,
      groups: [],
      resources: listResources(permissions),
      token_type: session.tokenType,
      issued_at: formatTime(session.startedAt),
      expires_at: formatTime(session.expiresAt * 1000),
      issuer: SESSION_ISSUER,
    })
  },
}
