import { formatTime } from '../../core/time.js'
import type { TrustRule } from '../../store/store.js'
import { readJson } from '../body.js'
import type { Endpoint } from '../endpoint.js'
import { readStringMap, requireString } from '../fields.js'

export const createTrustRule: Endpoint<'admin'> = {
  method: 'POST',
  paths: ['/admin/trust-rules'],
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'Let the jobs of another issuer act as a client',
  speaks: 'authsec',
  event: 'trust.created',
  errors: 'authsec',

  async handle(request, { authority, caller, provenance }) {
    const body = await readJson(request, ['name', 'client_id', 'issuer', 'audience', 'subject', 'claims'])
    const input = {
      name: requireString(body, 'name'),
      clientId: requireString(body, 'client_id'),
      issuer: requireString(body, 'issuer'),
      audience: requireString(body, 'audience'),
      subject: requireString(body, 'subject'),
      claims: readStringMap(body, 'claims') ?? {},
    }
    const rule = await authority.trustRules.create(input, caller, provenance)
    return Response.json(formatTrustRule(rule), { status: 201 })
  },
}

export const listTrustRules: Endpoint<'admin'> = {
  method: 'GET',
  paths: ['/admin/trust-rules'],
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'List which jobs of other issuers may act as which client',
  speaks: 'authsec',
  event: 'trust.read',
  errors: 'authsec',

  async handle(_request, { authority }) {
    return Response.json((await authority.trustRules.list()).map(formatTrustRule))
  },
}

export const showTrustRule: Endpoint<'admin'> = {
  ...listTrustRules,
  paths: ['/admin/trust-rules/:name'],
  summary: 'Show a trust rule',

  async handle(_request, { authority, params }) {
    return Response.json(formatTrustRule(await authority.trustRules.find(params['name'] ?? '')))
  },
}

export const deleteTrustRule: Endpoint<'admin'> = {
  ...showTrustRule,
  method: 'DELETE',
  summary: 'Delete a trust rule: no token is issued under it from then on',
  event: 'trust.deleted',

  async handle(_request, { authority, caller, params, provenance }) {
    const { name } = await authority.trustRules.remove(params['name'] ?? '', caller, provenance)
    return Response.json({ status: 'deleted', name })
  },
}

function formatTrustRule({
  name,
  clientId,
  issuer,
  audience,
  subject,
  claims,
  createdAt,
}: TrustRule): object {
  return {
    name,
    client_id: clientId,
    issuer,
    audience,
    subject,
    claims,
    created_at: formatTime(createdAt),
  }
}
