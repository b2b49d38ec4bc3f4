import { listAuthMethods, PROVING_METHODS } from '../../authority/client-authentication.js'
import { CLIENT_ALGORITHMS } from '../../authority/client-keys.js'
import { CALL_DETAILS_TYPE } from '../../authority/grants/authorization-details.js'
import { GRANTS } from '../../authority/tokens.js'
import { BINDINGS } from '../../core/call-binding.js'
import type { Endpoint, EndpointContext } from '../endpoint.js'

/** Authorization server metadata, RFC 8414 §3. Nothing is named that does not work. */
export const metadata: Endpoint<'public'> = {
  method: 'GET',
  paths: ['/.well-known/oauth-authorization-server'],
  access: 'public',
  modes: ['dev', 'shared'],
  summary: 'Authorization server metadata, RFC 8414',
  speaks: 'RFC 8414',
  event: undefined,
  errors: 'oauth',
  crossOrigin: true,

  async handle(_request, context) {
    return Response.json(describeServer(context))
  },
}

/** The same for clients that know OpenID Connect discovery only: there is no login of people and no ID token. */
export const openidConfiguration: Endpoint<'public'> = {
  ...metadata,
  paths: ['/.well-known/openid-configuration'],
  summary: 'The same by the name of OpenID Connect discovery',
  speaks: 'OpenID Connect Discovery 1.0',
  differences: 'no authorization endpoint and no ID tokens, so neither is named',

  async handle(_request, context) {
    const none = { subject_types_supported: ['public'], id_token_signing_alg_values_supported: [] }
    return Response.json({ ...describeServer(context), ...none })
  },
}

function describeServer({ authority, serverUrl }: Pick<EndpointContext, 'authority' | 'serverUrl'>): object {
  const { identity, mode } = authority
  const { issuer, tenantId } = identity
  return {
    issuer,
    token_endpoint: `${serverUrl}/oauth/token`,
    jwks_uri: `${serverUrl}/oauth/jwks`,
    registration_endpoint: `${serverUrl}/oauth/register`,
    introspection_endpoint: `${serverUrl}/oauth/introspect`,
    revocation_endpoint: `${serverUrl}/oauth/revoke`,
    response_types_supported: [],
    grant_types_supported: GRANTS.map(({ grantType }) => grantType),
    token_endpoint_auth_methods_supported: listAuthMethods(mode),
    token_endpoint_auth_signing_alg_values_supported: CLIENT_ALGORITHMS,
    introspection_endpoint_auth_methods_supported: PROVING_METHODS,
    introspection_endpoint_auth_signing_alg_values_supported: CLIENT_ALGORITHMS,
    revocation_endpoint_auth_methods_supported: listAuthMethods(mode),
    revocation_endpoint_auth_signing_alg_values_supported: CLIENT_ALGORITHMS,
    device_authorization_endpoint: `${serverUrl}/oauth/device_authorization`,
    backchannel_authentication_endpoint: `${serverUrl}/oauth/bc-authorize`,
    backchannel_token_delivery_modes_supported: ['poll'],
    backchannel_user_code_parameter_supported: false,
    authsec_tenant: tenantId,
    authorization_details_types_supported: [CALL_DETAILS_TYPE],
    authsec_call_tokens: {
      max_ttl_seconds: authority.maxCallTtl,
      bindings: BINDINGS,
      one_time: true,
      consume_endpoint: `${serverUrl}/oauth/consume`,
    },
  }
}
