import { AuthsecError } from '../core/errors.js'
import { formatScope, sortPermissions } from '../core/permission.js'
import type { Client, Store } from '../store/store.js'
import type { Attempt, AuditLog, Provenance } from './audit/log.js'
import type { ClientAuthentication } from './client-authentication.js'
import type { IssuedToken, IssuedTokens, TokenWorth } from './issued-tokens.js'
import {
  type ClientRequest,
  readAskedToken,
  readPresentedClient,
  readPresentedSession,
} from './presented-client.js'
import { SESSION_ISSUER } from './session-claims.js'
import { assertAdmin, type Sessions } from './sessions.js'

export interface Introspection {
  /**
   * What a token says and that it is alive (RFC 7662 §2.2), or exactly `{active: false}`: for what is no token of
   * this server, what no longer stands, and what is no business of the caller. Throws `invalid_client` unless a
   * client proves who it is, or an admin asks; `invalid_request` without a token; `temporarily_unavailable` while the
   * clock is set back.
   */
  introspect(request: ClientRequest, provenance: Provenance): Promise<object>
}

/** Who asks about a token, or revokes one. */
export type Asker = Client | 'admin'

export interface AskerOptions {
  sessions: Sessions
  clientAuthentication: ClientAuthentication
}

const INACTIVE = { active: false }

export function createIntrospection(
  options: AskerOptions & {
    store: Store
    audit: AuditLog
    issuedTokens: IssuedTokens
    /** Throws while the clock is behind: a token that had expired would live again, its revocation forgotten. */
    assertClock: () => void
  },
): Introspection {
  const { store, audit, issuedTokens, assertClock } = options
  return {
    introspect(request, provenance) {
      return audit.attempt({ type: 'token.introspected' }, provenance, async (attempt) => {
        const asker = await findAsker(request, attempt, provenance, options)
        assertProven(asker)
        const text = readAskedToken(request)
        assertClock()
        const token = await issuedTokens.recognize(text)
        const worth = token && (await issuedTokens.appraise(token, store))
        const isTold = token !== undefined && worth !== undefined && mayLearn(asker, token, worth)
        if (token !== undefined) noteToken(attempt, token)
        attempt.note({ details: { active: isTold } })
        await attempt.commit()
        return isTold ? { active: true, ...describe(token, worth) } : INACTIVE
      })
    },
  }
}

/**
 * The admin whose session is presented, otherwise the client; the attempt learns of it on the way. Throws
 * `login_required`, `access_denied`, `invalid_client`, and `invalid_request` for a session beside the proof of a client.
 */
export async function findAsker(
  request: ClientRequest,
  attempt: Attempt,
  provenance: Provenance,
  { sessions, clientAuthentication }: AskerOptions,
): Promise<Asker> {
  const bearer = readPresentedSession(request)
  if (bearer !== undefined) {
    const session = await sessions.resume(bearer)
    attempt.note({ actor: { type: 'user', id: session.user.id }, act: session.act })
    assertAdmin(session)
    return 'admin'
  }
  const presenter = clientAuthentication.present(readPresentedClient(request), provenance)
  attempt.note({ actor: { type: 'client', id: presenter.clientId } })
  return clientAuthentication.find(presenter)
}

// RFC 7662 §4: without a proof everybody could fish for tokens here.
function assertProven(asker: Asker): void {
  if (asker === 'admin' || asker.authMethod !== 'none') return
  throw new AuthsecError('invalid_client', 'a client has to prove who it is to ask about tokens', {
    hint: 'Register it with a secret or a key: token_endpoint_auth_method.',
  })
}

// Whoever holds it, whoever runs the API it is for, and any client where nobody is said to run it.
function mayLearn(asker: Asker, { clientId, origin }: IssuedToken, { ownerId }: TokenWorth): boolean {
  if (asker === 'admin' || asker.id === clientId) return true
  if (origin.kind === 'session' || origin.kind === 'base') return false
  return ownerId === undefined || ownerId === asker.id
}

function describe({ origin, clientId, expiresAt, jti }: IssuedToken, { permissions }: TokenWorth): object {
  const scope = formatScope(permissions)
  if (origin.kind === 'session') {
    const { user, startedAt } = origin.session
    return {
      token_type: 'Bearer',
      iss: SESSION_ISSUER,
      sub: user.id,
      ...(clientId !== undefined && { client_id: clientId }),
      scope,
      iat: Math.floor(startedAt / 1000),
      exp: expiresAt,
      jti,
    }
  }
  // What it is worth now, where that is less than what it says.
  const current = { scope, permissions: sortPermissions(permissions) }
  return { token_type: origin.kind === 'base' ? 'N_A' : 'Bearer', ...origin.claims, ...current }
}

/** Notes which token is asked about, or revoked. */
export function noteToken(attempt: Attempt, { jti, clientId, userId, origin }: IssuedToken): void {
  attempt.note({
    jti,
    client: clientId,
    ...(userId !== undefined && { subject: { type: 'user', id: userId } }),
    details: { kind: origin.kind },
  })
}
