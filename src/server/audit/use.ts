import { readClientRequest } from '../body.js'
import type { Endpoint } from '../endpoint.js'

/** What an API tells of a token that it has accepted, so that the log tells where tokens were used. */
export const useReceipt: Endpoint<'public'> = {
  method: 'POST',
  paths: ['/audit/use'],
  access: 'public',
  modes: ['dev', 'shared'],
  summary: 'Record that a call token was accepted, by the client that runs its resource',
  speaks: 'authsec',
  event: 'token.used',
  limit: 'consume',
  errors: 'oauth',
  hasIdempotencyKey: true,

  async handle(request, { authority, provenance }) {
    const asked = await readClientRequest(request)
    const auditId = await authority.useReceipts.receive(asked, provenance)
    return Response.json({ authsec_audit: auditId })
  },
}
