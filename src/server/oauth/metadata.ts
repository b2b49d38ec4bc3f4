import { listAuthMethods } from '../../authority/client-authentication.js'
import { CLIENT_ALGORITHMS } from '../../authority/client-keys.js'
import { GRANTS } from '../../authority/tokens.js'
import { BINDINGS } from '../../core/call-binding.js'
import { MAX_CALL_TTL } from '../../core/delegation.js'
import type { Endpoint } from '../endpoint.js'

/** Authorization server metadata, RFC 8414 §3. Nothing is named that does not work. */
export const metadata: Endpoint<'public'> = {
  method: 'GET',
  paths: ['/.well-known/oauth-authorization-server'],
  access: 'public',
  modes: ['dev'],
  summary: 'Authorization server metadata, RFC 8414',
  speaks: 'RFC 8414',
  event: undefined,
  errors: 'oauth',
  crossOrigin: true,

  async handle(_request, { authority, serverUrl }) {
    const { issuer, tenantId } = authority.identity
    return Response.json({
      issuer,
      token_endpoint: `${serverUrl}/oauth/token`,
      jwks_uri: `${serverUrl}/oauth/jwks`,
      response_types_supported: [],
      grant_types_supported: GRANTS.map(({ grantType }) => grantType),
      token_endpoint_auth_methods_supported: listAuthMethods(authority.mode),
      token_endpoint_auth_signing_alg_values_supported: CLIENT_ALGORITHMS,
      device_authorization_endpoint: `${serverUrl}/oauth/device_authorization`,
      backchannel_authentication_endpoint: `${serverUrl}/oauth/bc-authorize`,
      backchannel_token_delivery_modes_supported: ['poll'],
      backchannel_user_code_parameter_supported: false,
      authsec_tenant: tenantId,
      authsec_call_tokens: { max_ttl_seconds: MAX_CALL_TTL, bindings: BINDINGS },
    })
  },
}
