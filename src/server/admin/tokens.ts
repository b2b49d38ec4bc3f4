import { AuthsecError } from '../../core/errors.js'
import { quote } from '../../core/printable.js'
import { isUuid } from '../../core/uuid.js'
import { readJson } from '../body.js'
import type { Endpoint } from '../endpoint.js'
import { requireString } from '../fields.js'

export const revokeTokenById: Endpoint<'admin'> = {
  method: 'POST',
  paths: ['/admin/tokens/revoke'],
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'Revoke a token by its jti, and what descends from it',
  speaks: 'authsec',
  event: 'token.revoked',
  errors: 'authsec',

  async handle(request, { authority, caller, provenance }) {
    const jti = requireString(await readJson(request, ['jti']), 'jti').toLowerCase()
    if (!isUuid(jti)) {
      throw new AuthsecError('invalid_request', `jti ${quote(jti)} is no id of a token of this server`)
    }
    await authority.revocation.revokeById(jti, caller, provenance)
    return Response.json({ status: 'revoked', jti })
  },
}
