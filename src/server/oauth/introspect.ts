import { readClientRequest } from '../body.js'
import type { Endpoint } from '../endpoint.js'

/** Token introspection, RFC 7662. `token_type_hint` is advice that nothing here needs (§2.1). */
export const introspect: Endpoint<'public'> = {
  method: 'POST',
  paths: ['/oauth/introspect'],
  access: 'public',
  modes: ['dev', 'shared'],
  summary: 'What a token says, and whether it is alive, RFC 7662',
  speaks: 'RFC 7662',
  differences: 'a client proves who it is with a secret or a key; an admin session may ask too',
  event: 'token.introspected',
  limit: 'introspect',
  errors: 'oauth',
  crossOrigin: 'named',

  async handle(request, { authority, provenance }) {
    const asked = await readClientRequest(request)
    const answer = await authority.introspection.introspect(asked, provenance)
    return Response.json(answer)
  },
}
