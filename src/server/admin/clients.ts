import { formatTime } from '../../core/time.js'
import { formatClient } from '../authsec/wire.js'
import { readJson } from '../body.js'
import type { Endpoint } from '../endpoint.js'
import { readInteger } from '../fields.js'

export const rotateSecret: Endpoint<'admin'> = {
  method: 'POST',
  paths: ['/admin/clients/:id/rotate-secret'],
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'Give a client another secret; the former one may be good for a while yet',
  speaks: 'authsec',
  event: 'client.secret_rotated',
  errors: 'authsec',

  async handle(request, { authority, caller, params, provenance }) {
    const overlapSeconds = readInteger(await readJson(request, ['overlap_seconds']), 'overlap_seconds') ?? 0
    const id = params['id'] ?? ''
    const { client, secret } = await authority.clients.rotateSecret(id, overlapSeconds, caller, provenance)
    return Response.json({
      client_id: client.id,
      name: client.name,
      client_secret: secret,
      ...(client.formerSecret !== undefined && {
        former_secret_expires_at: formatTime(client.formerSecret.expiresAt),
      }),
    })
  },
}

export const setClientKeys: Endpoint<'admin'> = {
  method: 'PUT',
  paths: ['/admin/clients/:id/jwks'],
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'Let a client prove itself by one of these public keys, and by nothing else',
  speaks: 'authsec',
  event: 'client.updated',
  errors: 'authsec',

  async handle(request, { authority, caller, params, provenance }) {
    const jwks = await readJson(request)
    const client = await authority.clients.setKeys(params['id'] ?? '', jwks, caller, provenance)
    return Response.json({
      ...formatClient(client, authority.identity.tenantId),
      token_endpoint_auth_method: client.authMethod,
    })
  },
}
