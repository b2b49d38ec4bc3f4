import type { Endpoint } from '../endpoint.js'

/** The public keys of call tokens, RFC 7517 §5. */
export const jwks: Endpoint<'public'> = {
  method: 'GET',
  paths: ['/oauth/jwks'],
  access: 'public',
  modes: ['dev', 'shared'],
  summary: 'Public keys of call tokens, RFC 7517',
  speaks: 'RFC 7517',
  event: undefined,
  errors: 'oauth',
  crossOrigin: true,

  async handle(_request, { authority }) {
    const { keyring, keys } = authority
    return Response.json(keyring.callKeySet, {
      headers: { 'cache-control': `public, max-age=${keys.maxAge}` },
    })
  },
}
