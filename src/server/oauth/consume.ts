import { readClientRequest } from '../body.js'
import type { Endpoint } from '../endpoint.js'

/** Uses up a one-time token, atomically: for the API that it is for, before its handler runs. */
export const consume: Endpoint<'public'> = {
  method: 'POST',
  paths: ['/oauth/consume'],
  access: 'public',
  modes: ['dev', 'shared'],
  summary: 'Use up a one-time call token, by the client that runs its resource',
  speaks: 'authsec',
  event: 'token.used',
  limit: 'consume',
  errors: 'oauth',
  crossOrigin: 'named',
  hasIdempotencyKey: true,

  async handle(request, { authority, provenance }) {
    const asked = await readClientRequest(request)
    const { jti, expiresAt, auditId } = await authority.oneTimeTokens.consume(asked, provenance)
    return Response.json({ consumed: true, jti, exp: expiresAt, authsec_audit: auditId })
  },
}
