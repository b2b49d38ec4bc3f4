// Where the SDKs of others keep their tokens. Each is set up as its manual says and handed an issuer in this process in
// the place of its network; what it does besides is its own.

import { importPeer } from './peers.js'

const SCOPE = 'billing:read'

/**
 * Each has a name and `create`, which resolves with a function that gets the token. `issue` makes one: it resolves with
 * `token`, `expiresIn` (seconds) and `expiresAt` (milliseconds since the epoch).
 */
export const TOKEN_CACHES = [
  {
    name: 'AWS memoize',
    async create(issue) {
      const aws = await importPeer('@smithy/core')
      const { memoizeIdentityProvider, isIdentityExpired, doesIdentityRequireRefresh } = aws
      const provide = async () => {
        const { token, expiresAt } = await issue()
        return { token, expiration: new Date(expiresAt) }
      }
      const remembered = memoizeIdentityProvider(provide, isIdentityExpired, doesIdentityRequireRefresh)
      return () => remembered({})
    },
  },
  {
    name: 'google-auth-library',
    async create(issue) {
      const { OAuth2Client } = await importPeer('google-auth-library')
      const client = new OAuth2Client()
      client.refreshHandler = async () => {
        const { token, expiresAt } = await issue()
        return { access_token: token, expiry_date: expiresAt }
      }
      return () => client.getAccessToken()
    },
  },
  {
    name: 'Azure core',
    async create(issue) {
      const azure = await importPeer('@azure/core-rest-pipeline')
      const getToken = async () => {
        const { token, expiresAt } = await issue()
        return { token, expiresOnTimestamp: expiresAt }
      }
      const policy = azure.bearerTokenAuthenticationPolicy({ credential: { getToken }, scopes: SCOPE })
      const request = azure.createPipelineRequest({ url: 'https://billing.example/' })
      const next = async () => ({ status: 200, headers: azure.createHttpHeaders(), request })
      return () => policy.sendRequest(request, next)
    },
  },
  {
    name: 'MSAL on behalf of',
    async create(issue) {
      const { ConfidentialClientApplication } = await importPeer('@azure/msal-node')
      const origin = 'https://login.example'
      const metadata = {
        issuer: `${origin}/tenant/`,
        authorization_endpoint: `${origin}/authorize`,
        token_endpoint: `${origin}/token`,
        jwks_uri: `${origin}/jwks`,
      }
      const app = new ConfidentialClientApplication({
        auth: {
          clientId: 'agent',
          clientSecret: 'of-nobody',
          authority: metadata.issuer,
          knownAuthorities: ['login.example'],
          protocolMode: 'OIDC',
          authorityMetadata: JSON.stringify(metadata),
        },
        system: {
          networkClient: {
            async sendPostRequestAsync() {
              const { token: access_token, expiresIn: expires_in } = await issue()
              const body = { token_type: 'Bearer', access_token, expires_in, scope: SCOPE }
              return { status: 200, headers: {}, body }
            },
          },
        },
      })
      const request = { oboAssertion: 'the token of a user', scopes: [SCOPE] }
      return () => app.acquireTokenOnBehalfOf(request)
    },
  },
]
