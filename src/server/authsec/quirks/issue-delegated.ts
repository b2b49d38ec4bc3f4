import { AuthsecError } from '../../../core/errors.js'
import { isJsonObject } from '../../../core/strict-json.js'
import { formatTime } from '../../../core/time.js'
import { readJson } from '../../body.js'
import type { Endpoint } from '../../endpoint.js'
import { readInteger, readStrings, requireString } from '../../fields.js'
import { spirePaths } from '../spire-paths.js'

export const issueDelegated: Endpoint<'session'> = {
  method: 'POST',
  paths: spirePaths('/v1/jwt/issue-delegated'),
  access: 'session',
  modes: ['dev'],
  quirk: 'issue-delegated',
  summary: 'Sign whatever claims a signed-in user likes',
  speaks: 'AuthSec A',
  differences: 'The token verifies and cannot be exchanged: only the live one can.',
  event: 'quirk.used',
  errors: 'spire',

  async handle(request, { authority, caller, provenance }) {
    const body = await readJson(request)
    const claims = body['custom_claims'] ?? {}
    if (!isJsonObject(claims)) throw new AuthsecError('invalid_request', 'custom_claims is not an object')
    const issued = await authority.quirks.issueDelegated(
      {
        tenantId: requireString(body, 'tenant_id'),
        spiffeId: requireString(body, 'spiffe_id'),
        audience: readStrings(body, 'audience') ?? [],
        ttlSeconds: readInteger(body, 'ttl'),
        claims,
      },
      caller,
      provenance,
    )
    return Response.json({
      spiffe_id: issued.spiffeId,
      token: issued.token,
      expires_at: formatTime(issued.expiresAt),
    })
  },
}
