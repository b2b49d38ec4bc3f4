import { type Client, type ClientRegistration, listSelectorKeys } from '../api/clients.js'
import { createPolicy, listPolicies, type Policy } from '../api/policies.js'
import { toPrintable } from '../core/printable.js'
import { makeUpEmail } from './client-declaration.js'
import type { Connection } from './connection.js'
import type { Context } from './context.js'
import { interviewForTerms } from './policy-interview.js'
import { askPersistently } from './prompts.js'

/** What is known already, so that nobody asks for it. */
type KnownTraits = { [Trait in keyof ClientRegistration]?: ClientRegistration[Trait] | undefined }

const TYPES = [
  { name: 'an agent, which acts for people', value: 'ai_agent' },
  { name: 'an application', value: 'application' },
]
const NOWHERE = 'none'
const PLATFORMS = [
  { name: 'nowhere in particular', value: NOWHERE },
  { name: 'Kubernetes', value: 'kubernetes' },
  { name: 'Docker', value: 'docker' },
  { name: 'a Unix host', value: 'unix' },
]

/** Asks a person for everything that a registration needs and that no flag has said. */
export async function interviewForClient(
  { prompts }: Context,
  connection: Connection,
  known: KnownTraits,
): Promise<ClientRegistration> {
  const name = known.name ?? (await askPersistently(prompts, 'Name of the client:'))
  const type = known.type ?? (await prompts.choose('What is it?', TYPES))
  const email = known.email ?? makeUpEmail(name)
  if (type !== 'ai_agent') return { name, email, type }
  const agentType =
    known.agentType ?? (await prompts.ask('Kind of agent, as policies name it (langchain):')).trim()
  const platform = known.platform ?? (await prompts.choose('Where does it run?', PLATFORMS))
  const base = { name, email, type, agentType: agentType || 'langchain' }
  if (platform === NOWHERE) return base
  const selectors = known.selectors ?? (await askSelectors(prompts, connection, platform))
  return { ...base, platform, selectors }
}

/**
 * Offers to make a policy for an agent of whose type there is none yet: without one nobody can delegate to it.
 * Undefined when there is one already, or the person chooses nothing.
 */
export async function interviewForPolicy(
  context: Context,
  connection: Connection,
  client: Client,
  agentType: string,
): Promise<Policy | undefined> {
  const { io } = context
  const { target } = connection
  const policies = await listPolicies(target)
  if (policies.some((policy) => policy.agent_type === agentType)) return undefined
  io.note(`no policy lets anybody delegate to ${toPrintable(agentType)} agents yet`)
  const question = `What may people let ${toPrintable(client.name)} do? (none: make no policy)`
  const terms = await interviewForTerms(
    context,
    connection,
    { agentType, clientId: client.client_id },
    question,
  )
  if (terms === undefined) return undefined
  const { policy } = await createPolicy(target, terms)
  return policy
}

async function askSelectors(
  prompts: Context['prompts'],
  connection: Connection,
  platform: string,
): Promise<Record<string, string>> {
  const keys = await listSelectorKeys(connection.target, await connection.findTenant(), platform)
  const chosen = await prompts.chooseSome(
    'By what is it recognised there?',
    keys.map((key) => ({ name: toPrintable(key), value: key })),
  )
  const selectors: Record<string, string> = {}
  for (const key of chosen) selectors[key] = (await prompts.ask(`${toPrintable(key)}:`)).trim()
  return selectors
}
