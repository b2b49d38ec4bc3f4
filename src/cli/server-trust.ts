import { fetchMetadata } from '../api/metadata.js'
import { introspectToken } from '../api/tokens.js'
import { AuthsecError } from '../core/errors.js'
import type { JsonObject } from '../core/strict-json.js'
import type { ProfileName } from '../verify/index.js'
import { type Connection, type ConnectionFlags, openConnection } from './connection.js'
import type { Context } from './context.js'
import type { Finding } from './verify-demands.js'
import type { Trust, TrustFlags } from './verify-trust.js'

// What of verifying needs a server: a file of its own in the command, because most tokens are verified without.

/** Believes the server in use, or the one that is named as the issuer. Throws what asking it throws. */
export async function trustServer(
  context: Context,
  { issuer, server, ...flags }: TrustFlags,
  profile: ProfileName | undefined,
): Promise<Trust> {
  const connection = await openConnection(context, { ...flags, server: issuer ?? server })
  const tenant = connection.tenantId ?? (await askTenant(connection))
  // Base tokens are signed for a tenant: without one there are none to believe.
  const profiles: ProfileName[] = tenant === undefined ? ['call'] : ['call', 'base']
  const options = {
    serverUrl: connection.target.serverUrl,
    tenant,
    profiles: profile === undefined ? profiles : [profile],
  }
  return { kind: 'delegation', options, isIssuerOpen: false }
}

/** The issuer of a token that is none of AuthSec's, where the profile in use trusts it. */
export async function findTrustedIssuer(
  context: Context,
  flags: ConnectionFlags,
  { iss }: JsonObject,
): Promise<string | undefined> {
  const { trustedIssuers } = await openConnection(context, flags)
  return trustedIssuers.find((trusted) => trusted === iss)
}

/** Asks the server whether a token is alive, RFC 7662. */
export async function checkOnline(context: Context, flags: TrustFlags, token: string): Promise<Finding> {
  const { target } = await openConnection(context, { ...flags, server: flags.server ?? flags.issuer })
  const { active } = await introspectToken(target, token)
  if (active) return { name: 'online', outcome: 'ok', detail: `alive at ${target.serverUrl}` }
  const detail = `${target.serverUrl} calls the token inactive: revoked, replaced, or not its own`
  return { name: 'online', outcome: 'failed', code: 'token_inactive', detail }
}

async function askTenant({ target }: Connection): Promise<string | undefined> {
  try {
    return (await fetchMetadata(target)).tenantId
  } catch (error) {
    // A server that says nothing about itself: the verifier tells what that means for the token.
    if (AuthsecError.is(error, 'not_found')) return undefined
    throw error
  }
}
