import { GENERATED_SESSION_TTL } from '../../../authority/quirks.js'
import { readJson } from '../../body.js'
import { authsecPaths, type Endpoint } from '../../endpoint.js'
import { readString, requireString } from '../../fields.js'

export const generateToken: Endpoint<'public'> = {
  method: 'POST',
  paths: authsecPaths('/authmgr/token/generate'),
  access: 'public',
  modes: ['dev'],
  quirk: 'token-generate',
  summary: 'Sign a session without a credential',
  speaks: 'AuthSec A',
  differences: 'No endpoint takes the token, because nobody has logged in.',
  event: 'quirk.used',
  errors: 'authsec',

  async handle(request, { authority, provenance }) {
    const body = await readJson(request)
    const token = await authority.quirks.generateSession(
      {
        tenantId: requireString(body, 'tenant_id'),
        projectId: requireString(body, 'project_id'),
        clientId: requireString(body, 'client_id'),
        email: requireString(body, 'email_id'),
        secretId: readString(body, 'secret_id'),
      },
      provenance,
    )
    return Response.json({ access_token: token, token_type: 'Bearer', expires_in: GENERATED_SESSION_TTL })
  },
}
