// oidc-provider as a peer of `npm run bench`: issues ES256 JWT access tokens by client_credentials, for one resource
// server, and RS256 ones for another. The features that it turns on by itself and that play no part are off, and it keeps nothing: it stores no
// access token that is a JWT. Says its address in one line of JSON, as `authsec dev serve --json` does.

import { generateKeyPairSync } from 'node:crypto'
import { createServer } from 'node:http'
import { Provider } from 'oidc-provider'

const ALGORITHMS = { 'https://billing.example': 'ES256', 'https://reports.example': 'RS256' }
const keys = [
  createKey('ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' })),
  createKey('RS256', generateKeyPairSync('rsa', { modulusLength: 2048 })),
]

const provider = new Provider('http://127.0.0.1', {
  clients: [
    {
      client_id: 'bench',
      client_secret: 'bench-secret',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      // The cheapest authentication that it has for this grant.
      token_endpoint_auth_method: 'client_secret_post',
      // Not issued here, but it has to be an algorithm that there is a key for.
      id_token_signed_response_alg: 'ES256',
    },
  ],
  jwks: { keys },
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: (_context, audience) => describeApi(audience),
    },
  },
  ttl: { ClientCredentials: 60 },
})

const server = createServer(provider.callback())
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ url: `http://127.0.0.1:${server.address().port}` })}\n`)
})

function createKey(alg, { privateKey }) {
  return { ...privateKey.export({ format: 'jwk' }), kid: `bench-${alg}`, use: 'sig', alg }
}

function describeApi(audience) {
  return {
    scope: 'billing:read',
    audience,
    accessTokenFormat: 'jwt',
    accessTokenTTL: 60,
    jwt: { sign: { alg: ALGORITHMS[audience] } },
  }
}
