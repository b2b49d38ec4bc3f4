import { readClientRequest } from '../body.js'
import type { Endpoint } from '../endpoint.js'

/** Token revocation, RFC 7009. `token_type_hint` is advice that nothing here needs (§2.1). */
export const revoke: Endpoint<'public'> = {
  method: 'POST',
  paths: ['/oauth/revoke'],
  access: 'public',
  modes: ['dev', 'shared'],
  summary: 'Revoke a token of the calling client and what descends from it, RFC 7009',
  speaks: 'RFC 7009',
  differences: 'an admin session may revoke the tokens of every client',
  event: 'token.revoked',
  limit: 'revoke',
  errors: 'oauth',
  crossOrigin: 'named',

  async handle(request, { authority, provenance }) {
    const asked = await readClientRequest(request)
    await authority.revocation.revoke(asked, provenance)
    return new Response(null, { status: 200 })
  },
}
