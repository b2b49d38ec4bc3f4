import { AuthsecError } from '../../core/errors.js'
import { formatScope } from '../../core/permission.js'
import type { RedeemedApproval } from '../approvals.js'
import type { Grant, TokenResponse } from './grant.js'

/** How long a session lives that a client has obtained for a user, in seconds: it cannot be refreshed. */
export const CLIENT_SESSION_TTL = 3_600

/** The device grant, RFC 8628 §3.4. What it returns is a session of the user, held by the client. */
export const deviceCode: Grant = {
  grantType: 'urn:ietf:params:oauth:grant-type:device_code',

  async issue(form, { findPresenter, devices, provenance, clock }) {
    const { id: clientId } = await findPresenter()
    const handle = form.get('device_code')
    if (handle === undefined) throw new AuthsecError('invalid_request', 'device_code is missing')
    const redemption = { form: 'oauth', handle, clientId, sessionTtl: CLIENT_SESSION_TTL } as const
    return formatSession(await devices.redeem(redemption, provenance), clock())
  },
}

/** A user's session as the token endpoint answers it. */
export function formatSession(session: RedeemedApproval, now: number): TokenResponse {
  return {
    access_token: session.token,
    token_type: 'Bearer',
    expires_in: session.expiresAt - Math.floor(now / 1000),
    scope: formatScope(session.permissions),
    authsec_audit: session.auditId,
  }
}
