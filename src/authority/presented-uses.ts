import type { CallClaims } from '../core/claims.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { Store } from '../store/store.js'
import type { Attempt, Provenance } from './audit/log.js'
import type { CallTokens } from './call-tokens.js'
import type { ClientAuthentication } from './client-authentication.js'
import { type ClientRequest, readAskedToken, readPresentedClient } from './presented-client.js'

export interface PresentedUseOptions {
  store: Store
  callTokens: CallTokens
  clientAuthentication: ClientAuthentication
}

/** A token that an API presents because it has been used there. */
export interface PresentedUse {
  claims: CallClaims
  /** The client that runs the API. */
  clientId: string
}

/**
 * Finds out which token was used and whether the client that says so runs its API; the attempt learns of it on the way.
 * Throws `invalid_client`, `access_denied` for any other client, and `invalid_request` for a token that is none of ours.
 */
export async function presentUse(
  request: ClientRequest,
  attempt: Attempt,
  provenance: Provenance,
  { store, callTokens, clientAuthentication }: PresentedUseOptions,
): Promise<PresentedUse> {
  const presenter = clientAuthentication.present(readPresentedClient(request), provenance)
  const { clientId } = presenter
  attempt.note({ actor: { type: 'client', id: clientId }, client: clientId })
  await clientAuthentication.find(presenter)

  const claims = callTokens.verify(readAskedToken(request), 'presented')
  attempt.note({
    subject: { type: 'user', id: claims.sub },
    act: claims.act,
    jti: claims.jti,
    parent_jti: claims.parent_jti,
    delegation: claims.authsec_delegation,
    aud: [claims.aud],
    txn: claims.txn,
    ...(claims.tool !== undefined && { details: { tool: claims.tool } }),
  })
  // Before anything else is said of a token: whose it is to use.
  await assertOwner(store, claims.aud, clientId)
  return { claims, clientId }
}

/** Throws `access_denied` unless a client runs an API. */
export async function assertOwner(
  { resources }: Pick<Store, 'resources'>,
  audience: string,
  clientId: string,
): Promise<void> {
  const resource = await resources.find(audience)
  if (resource?.clientId === clientId) return
  throw new AuthsecError('access_denied', `${quote(audience, 200)} is not run by this client`, {
    hint: 'The use of a token is told by the client that is registered as the owner of its resource.',
  })
}
