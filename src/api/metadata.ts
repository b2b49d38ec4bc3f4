import { isJsonObject } from '../core/strict-json.js'
import { readShape } from './answer.js'
import { type ApiTarget, callServer } from './http.js'

/** What a server says about itself, RFC 8414, as far as the command needs it. */
export interface ServerMetadata {
  issuer: string
  /** The tenant it serves, when it says so. */
  tenantId: string | undefined
  /** Whether a base token can be exchanged here for a call token. */
  offersCallTokens: boolean
  /** Whether a client has to prove who it is: then a person asks in its place, by the session. */
  wantsProof: boolean
  /** The longest life of a call token, in seconds, when it says so. */
  maxCallTtl: number | undefined
}

/** Reads the metadata of a server; throws `not_found` when it has none. */
export async function fetchMetadata(target: ApiTarget): Promise<ServerMetadata> {
  // §3.1: the well-known part stands between host and path.
  const { origin, pathname } = new URL(target.serverUrl)
  const body = await callServer(
    { ...target, serverUrl: origin },
    {
      method: 'GET',
      path: `/.well-known/oauth-authorization-server${pathname.replace(/\/$/, '')}`,
      session: 'never',
    },
  )
  const metadata = readShape(body, { issuer: 'text', authsec_tenant: 'text?' }, 'metadata')
  const callTokens = metadata['authsec_call_tokens']
  const methods = metadata['token_endpoint_auth_methods_supported']
  const longest = isJsonObject(callTokens) ? callTokens['max_ttl_seconds'] : undefined
  return {
    issuer: metadata.issuer,
    tenantId: metadata.authsec_tenant,
    offersCallTokens: isJsonObject(callTokens),
    wantsProof: Array.isArray(methods) && !methods.includes('none'),
    maxCallTtl: typeof longest === 'number' ? longest : undefined,
  }
}
