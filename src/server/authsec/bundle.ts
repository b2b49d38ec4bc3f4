import { AuthsecError } from '../../core/errors.js'
import { quote } from '../../core/printable.js'
import type { Endpoint } from '../endpoint.js'
import { readQueryString } from '../fields.js'

/** The tenant's key bundle: the one public key of base tokens. An unknown tenant gets no key made for it. */
export const bundle: Endpoint<'public'> = {
  method: 'GET',
  paths: ['/authsec/spiresvc/v1/jwt/bundle', '/spiresvc/v1/jwt/bundle', '/v1/jwt/bundle'],
  access: 'public',
  modes: ['dev', 'shared'],
  summary: 'Public key of base tokens',
  speaks: 'AuthSec A',
  event: undefined,
  errors: 'spire',
  crossOrigin: true,

  async handle(request, { authority }) {
    const tenantId = readQueryString(new URL(request.url).searchParams, 'tenant_id')
    if (!tenantId) throw new AuthsecError('invalid_request', 'tenant_id is required')
    if (tenantId.toLowerCase() !== authority.identity.tenantId) {
      throw new AuthsecError('not_found', `no tenant ${quote(tenantId)}`)
    }
    return Response.json(authority.keyring.bundle, { headers: { 'cache-control': 'public, max-age=300' } })
  },
}
