import { GRANT_TYPE_CIBA } from '../../core/claims.js'
import { AuthsecError } from '../../core/errors.js'
import { CLIENT_SESSION_TTL, formatSession } from './device-code.js'
import type { Grant } from './grant.js'

/** The CIBA grant, OpenID CIBA Core §10.1. What it returns is a session of the user, held by the client. */
export const cibaGrant: Grant = {
  grantType: GRANT_TYPE_CIBA,

  async issue(form, { findPresenter, ciba, provenance, clock }) {
    const { id: clientId } = await findPresenter()
    const handle = form.get('auth_req_id')
    if (handle === undefined) throw new AuthsecError('invalid_request', 'auth_req_id is missing')
    const redemption = { form: 'oauth', handle, clientId, sessionTtl: CLIENT_SESSION_TTL } as const
    return formatSession(await ciba.redeem(redemption, provenance), clock())
  },
}
