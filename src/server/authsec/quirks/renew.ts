import { formatTime } from '../../../core/time.js'
import { readJson } from '../../body.js'
import type { Endpoint } from '../../endpoint.js'
import { requireString } from '../../fields.js'
import { spirePaths } from '../spire-paths.js'

export const renew: Endpoint<'public'> = {
  method: 'POST',
  paths: spirePaths('/v1/jwt/renew'),
  access: 'public',
  modes: ['dev'],
  quirk: 'renew',
  summary: 'Extend a base token by 24 h, past its policy',
  speaks: 'AuthSec A',
  differences: 'The new token verifies and cannot be exchanged: only the live one can.',
  event: 'quirk.used',
  errors: 'spire',
  refusals: {
    tenant_mismatch: [401, 'invalid token'],
    token_malformed: [401, 'invalid token'],
    type_mismatch: [401, 'invalid token'],
    signature_invalid: [401, 'invalid token'],
    issuer_mismatch: [401, 'invalid token'],
    claim_invalid: [401, 'invalid token'],
    token_expired: [401, 'invalid token'],
    token_not_yet_valid: [401, 'invalid token'],
  },

  async handle(request, { authority, provenance }) {
    const body = await readJson(request)
    const renewed = await authority.quirks.renew(
      requireString(body, 'tenant_id'),
      requireString(body, 'token'),
      provenance,
    )
    return Response.json({
      spiffe_id: renewed.spiffeId,
      token: renewed.token,
      expires_at: formatTime(renewed.expiresAt),
    })
  },
}
