/** The test that exercises a capability: where it stands, what it is called, and the word by which it names it. */
export interface Proof {
  file: string
  title: string
  /** What the test, or something that it uses, has to mention; default: the value that is advertised. */
  word?: string
}

const TOKEN = 'test/server/oauth/token.test.ts'
const CLIENTS = 'test/oauth-clients/client-credentials.test.ts'
const REGISTRATION = 'test/oauth-clients/registration.test.ts'
const INTROSPECTION = 'test/oauth-clients/introspection.test.ts'
const INTROSPECT = 'test/server/oauth/introspect.test.ts'
const USER_GRANTS = 'test/oauth-clients/user-grants.test.ts'
const ASSERTIONS = 'test/server/oauth/assertion-algorithms.test.ts'
const BINDING = 'test/server/oauth/call-binding.test.ts'
const RESOURCE = 'test/server/oauth/protected-resource.test.ts'

const exchanged = { file: TOKEN, title: 'is answered as RFC 8693 has it, never to be stored' }
const device = { file: USER_GRANTS, title: 'completes the device grant' }
const ciba = { file: USER_GRANTS, title: 'completes CIBA in poll mode' }
const authenticated = { file: CLIENTS, title: 'gets a token for a client that authenticates with %s' }
const introspected = {
  file: INTROSPECTION,
  title: 'introspects and revokes as a client that authenticates with %s',
}
const discovered = { file: CLIENTS, title: 'discovers the server by the %s document' }
const signed = { file: CLIENTS, title: 'signed in %s is verified by jose and passes RFC 9068 §4' }

const METHODS = ['client_secret_basic', 'client_secret_post', 'private_key_jwt']
const ALGORITHMS = ['ES256', 'ES384', 'RS256', 'PS256', 'EdDSA', 'Ed25519']

/**
 * What the server advertises in its metadata, and the test that exercises it. A list has an entry for each value
 * (`member value`), anything else one (`member`); what is `false` is nothing. Whoever advertises something new adds a
 * line, and a test.
 */
export const PROOFS: Readonly<Record<string, Proof>> = {
  issuer: { ...discovered, word: 'issuer' },
  token_endpoint: { ...exchanged, word: '/oauth/token' },
  jwks_uri: { ...signed, word: '/oauth/jwks' },
  registration_endpoint: {
    file: REGISTRATION,
    title: 'openid-client registers itself and gets a token at once',
    word: 'dynamicClientRegistration',
  },
  introspection_endpoint: { ...introspected, word: 'introspectionRequest' },
  revocation_endpoint: { ...introspected, word: 'revocationRequest' },
  device_authorization_endpoint: { ...device, word: 'initiateDeviceAuthorization' },
  backchannel_authentication_endpoint: { ...ciba, word: 'initiateBackchannelAuthentication' },
  'backchannel_token_delivery_modes_supported poll': ciba,
  authsec_tenant: {
    file: TOKEN,
    title: 'of base tokens stand at %s, for a tenant that exists',
    word: 'tenant_id',
  },
  'authsec_call_tokens.max_ttl_seconds': {
    file: TOKEN,
    title: 'never outlives the token it was made from',
    word: '300',
  },
  'authsec_call_tokens.bindings tool': { file: BINDING, title: 'a token is bound to its tool' },
  'authsec_call_tokens.bindings call': {
    file: BINDING,
    title: 'a token is bound to one call, which nobody can read from it',
  },
  'authsec_call_tokens.one_time': {
    file: BINDING,
    title: 'a token is good for one use and for seconds',
    word: 'one_time',
  },
  'authsec_call_tokens.consume_endpoint': {
    file: 'test/server/oauth/consume.test.ts',
    title: 'uses a one-time token up, and records that it was used',
    word: '/oauth/consume',
  },
  'authorization_details_types_supported authsec_call': {
    file: BINDING,
    title: 'are answered with what was granted, without the arguments',
  },

  'grant_types_supported urn:ietf:params:oauth:grant-type:token-exchange': exchanged,
  'grant_types_supported urn:ietf:params:oauth:grant-type:jwt-bearer': {
    file: 'test/server/oauth/jwt-bearer.test.ts',
    title: 'is worth what the base token of the client is worth, and the log says by which rule',
  },
  'grant_types_supported client_credentials': { ...authenticated, word: 'clientCredentialsGrantRequest' },
  'grant_types_supported urn:ietf:params:oauth:grant-type:device_code': {
    ...device,
    word: 'pollDeviceAuthorizationGrant',
  },
  'grant_types_supported urn:openid:params:grant-type:ciba': {
    ...ciba,
    word: 'pollBackchannelAuthenticationGrant',
  },

  'token_endpoint_auth_methods_supported none': { ...exchanged, word: 'client_id: clientId' },
  ...proveEach('token_endpoint_auth_methods_supported', METHODS, authenticated),
  ...proveEach('introspection_endpoint_auth_methods_supported', METHODS, introspected),
  'revocation_endpoint_auth_methods_supported none': {
    file: INTROSPECT,
    title: 'of a call token reaches it and nothing else',
    word: 'client_id: server.clientId',
  },
  ...proveEach('revocation_endpoint_auth_methods_supported', METHODS, introspected),
  ...proveEach('token_endpoint_auth_signing_alg_values_supported', ALGORITHMS, {
    file: ASSERTIONS,
    title: 'is accepted by the token endpoint',
  }),
  ...proveEach('introspection_endpoint_auth_signing_alg_values_supported', ALGORITHMS, {
    file: ASSERTIONS,
    title: 'is accepted by the introspection endpoint',
  }),
  ...proveEach('revocation_endpoint_auth_signing_alg_values_supported', ALGORITHMS, {
    file: ASSERTIONS,
    title: 'is accepted by the revocation endpoint, which revokes',
  }),

  // OpenID Connect Discovery demands it; no subject of this server is pairwise.
  'subject_types_supported public': { ...discovered, word: 'oidc' },

  // The two key sets.
  ...proveEach('jwks.alg', ['ES256', 'RS256', 'EdDSA'], signed),
  'bundle.alg RS256': { file: TOKEN, title: 'verify what was issued' },

  // The metadata of a protected resource.
  resource: { file: RESOURCE, title: 'stands at the path of the resource, which it names' },
  authorization_servers: { file: RESOURCE, title: 'stands at the path of the resource, which it names' },
  scopes_supported: { file: RESOURCE, title: 'is handed out by name for an API that lives elsewhere' },
  'bearer_methods_supported header': {
    file: 'test/middleware/suite.ts',
    title: 'serves %s to a genuine token',
    word: 'bearer(signCall())',
  },
}

function proveEach(member: string, values: readonly string[], proof: Proof): Record<string, Proof> {
  return Object.fromEntries(values.map((value) => [`${member} ${value}`, proof]))
}
