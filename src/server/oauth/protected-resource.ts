import { AuthsecError } from '../../core/errors.js'
import { quote } from '../../core/printable.js'
import type { Endpoint } from '../endpoint.js'
import { readQueryString } from '../fields.js'

const WELL_KNOWN = '/.well-known/oauth-protected-resource'

/**
 * Protected resource metadata, RFC 9728 §3. A resource that lives at this server has its document at its own path;
 * one that lives elsewhere names itself by `resource`, and its API hands the document on.
 */
export const protectedResource: Endpoint<'public'> = {
  method: 'GET',
  paths: [WELL_KNOWN, `${WELL_KNOWN}/*`],
  access: 'public',
  modes: ['dev', 'shared'],
  summary: 'Which server issues tokens for an API, and for what, RFC 9728',
  speaks: 'RFC 9728',
  differences: '`resource` asks for an API that lives elsewhere, whose server hands the document on',
  event: undefined,
  errors: 'oauth',
  crossOrigin: true,

  async handle(request, { authority, serverUrl }) {
    const { issuer } = authority.identity
    const names = listNames(new URL(request.url), [serverUrl, issuer])
    const resource = await authority.resources.findAny(names)
    if (resource === undefined) throw new AuthsecError('not_found', `no resource ${quote(names[0], 200)}`)
    return Response.json(
      {
        resource: resource.uri,
        authorization_servers: [issuer],
        scopes_supported: resource.permissions,
        bearer_methods_supported: ['header'],
      },
      { headers: { 'cache-control': 'public, max-age=300' } },
    )
  },
}

/** As what the resource may be registered that a request for its document asks for. */
function listNames({ pathname, search, searchParams }: URL, servers: readonly string[]): string[] {
  const path = pathname.slice(WELL_KNOWN.length)
  if (path !== '') return servers.map((server) => `${server}${path}${search}`)
  const asked = readQueryString(searchParams, 'resource')
  if (asked !== undefined) return [asked]
  // RFC 9728 §3.1: of a resource without a path, a slash behind the host has been left out.
  return servers.flatMap((server) => [`${server}${search}`, `${server}/${search}`])
}
