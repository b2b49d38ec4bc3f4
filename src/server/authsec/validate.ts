import { AuthsecError } from '../../core/errors.js'
import type { JsonObject } from '../../core/strict-json.js'
import { readJson } from '../body.js'
import type { Endpoint } from '../endpoint.js'
import { readString, readStrings, requireString } from '../fields.js'
import { spirePaths } from './spire-paths.js'

/** As at AuthSec it asks for signature, time and audience only: what was revoked is still valid here. */
export const validate: Endpoint<'public'> = {
  method: 'POST',
  paths: spirePaths('/v1/jwt/validate'),
  access: 'public',
  modes: ['dev'],
  summary: 'Say whether a base token is genuine and in time; /oauth/introspect knows whether it was revoked',
  speaks: 'AuthSec A',
  event: 'token.validated',
  limit: 'verify',
  errors: 'spire',

  async handle(request, { authority, provenance }) {
    const body = await readJson(request)
    const question = {
      tenantId: requireString(body, 'tenant_id'),
      token: requireString(body, 'token'),
      audience: readAudience(body),
    }
    try {
      const claims = await authority.svids.validate(question, provenance)
      const { sub, tenant_id, permissions, aud: audience, exp: expires_at, iat: issued_at } = claims
      const facts = { sub, tenant_id, permissions, audience, expires_at, issued_at }
      return Response.json({ spiffe_id: sub, valid: true, claims, ...facts })
    } catch (error) {
      // Whatever is wrong with a token is an answer, not a failure.
      if (!AuthsecError.is(error) || error.code === 'temporarily_unavailable') throw error
      return Response.json({ spiffe_id: '', valid: false, claims: null })
    }
  },
}

function readAudience(body: JsonObject): string[] {
  if (typeof body['audience'] !== 'string') return readStrings(body, 'audience') ?? []
  return [readString(body, 'audience') ?? '']
}
