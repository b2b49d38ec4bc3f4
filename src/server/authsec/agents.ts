import { AGENT_CLIENT_TYPE } from '../../authority/clients.js'
import { AuthsecError } from '../../core/errors.js'
import { quote } from '../../core/printable.js'
import { authsecPaths, type Endpoint } from '../endpoint.js'
import { readQueryString } from '../fields.js'
import { readId } from './request.js'
import { formatAgent, readClientStatus } from './wire.js'

// AuthSec lists every agent at once.
const EVERY_AGENT = 100_000

export const listAgents: Endpoint<'admin'> = {
  method: 'GET',
  paths: authsecPaths('/uflow/admin/agents'),
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'List agents, newest first',
  speaks: 'AuthSec A',
  event: 'client.read',
  errors: 'authsec',

  async handle(request, { authority }) {
    const query = new URL(request.url).searchParams
    const { clients, total } = await authority.clients.list({
      clientType: AGENT_CLIENT_TYPE,
      agentType: readQueryString(query, 'agent_type'),
      active: readClientStatus(readQueryString(query, 'status')),
      page: 1,
      limit: EVERY_AGENT,
    })
    const agents = clients.map((client) => formatAgent(client, authority.identity.tenantId))
    return Response.json({ agents, total })
  },
}

export const showAgent: Endpoint<'admin'> = {
  method: 'GET',
  paths: authsecPaths('/uflow/admin/agents/:id'),
  access: 'admin',
  modes: ['dev', 'shared'],
  summary: 'Show an agent',
  speaks: 'AuthSec A',
  event: 'client.read',
  errors: 'authsec',
  refusals: { client_not_found: [404, 'Agent not found'] },

  async handle(_request, { authority, params }) {
    const client = await authority.clients.find(readId(params, 'Invalid agent ID'))
    if (client.clientType !== AGENT_CLIENT_TYPE) {
      throw new AuthsecError('client_not_found', `client ${quote(client.name)} is not an agent`)
    }
    return Response.json(formatAgent(client, authority.identity.tenantId))
  },
}
