import { listClients } from '../api/clients.js'
import { listPolicies } from '../api/policies.js'
import { AuthsecError } from '../core/errors.js'
import { toPrintable } from '../core/printable.js'
import type { Connection } from './connection.js'
import type { Context } from './context.js'
import type { GrantRequest } from './delegation-declaration.js'
import { parseSeconds } from './flags.js'

/** Lets a person choose what to delegate, and to which agent; what a flag says is not asked for. */
export async function interviewForGrant(
  { prompts }: Context,
  { target, findTenant }: Connection,
  { audience, ttlSeconds }: Omit<GrantRequest, 'reference'>,
): Promise<GrantRequest> {
  const clients = await listClients(target, await findTenant(), {
    active: true,
    limit: Number.POSITIVE_INFINITY,
  })
  const agents = clients
    .filter(({ agent_type }) => agent_type !== undefined && agent_type !== '')
    .sort((one, other) => one.name.localeCompare(other.name))
  if (agents.length === 0) {
    throw new AuthsecError('not_found', 'there is no active agent to delegate to', {
      hint: 'Register one with authsec client register --type ai_agent.',
    })
  }
  const choices = agents.map(({ client_id, name, agent_type }) => ({
    name: toPrintable(`${name} (${agent_type}, ${client_id})`),
    value: client_id,
  }))
  const reference = await prompts.choose('Which agent may act for you?', choices)
  const agent = agents.find(({ client_id }) => client_id === reference)

  const policies = (await listPolicies(target)).filter(
    ({ agent_type, client_id, enabled }) =>
      agent_type === agent?.agent_type && enabled !== false && (client_id ?? reference) === reference,
  )
  const apis = [...new Set(policies.flatMap(({ resources }) => resources))].sort()
  const isAsked = audience.length === 0 && apis.length > 1
  const reached = isAsked
    ? await prompts.chooseSome(
        'Which APIs may it reach? (none: all that its policy names)',
        apis.map((uri) => ({ name: toPrintable(uri), value: uri })),
      )
    : audience
  if (ttlSeconds !== undefined) return { reference, audience: reached, ttlSeconds }
  const answer = (await prompts.ask('For how long, such as 8h (as long as its policy allows):')).trim()
  return { reference, audience: reached, ttlSeconds: answer === '' ? undefined : parseSeconds(answer) }
}
