import type { PolicyTerms } from '../api/policies.js'
import { listResources } from '../api/resources.js'
import { toPrintable } from '../core/printable.js'
import type { Connection } from './connection.js'
import type { Context } from './context.js'
import { parseSeconds } from './flags.js'
import { askPersistently } from './prompts.js'

/** What is known already, so that nobody asks for it. */
type KnownTerms = { [Term in keyof PolicyTerms]?: PolicyTerms[Term] | undefined }

/**
 * Asks a person for everything that a policy needs and that nobody has said; `question` asks what may be delegated.
 * Undefined where there is nothing to choose from, nothing is chosen, or no API has it.
 */
export async function interviewForTerms(
  { prompts }: Context,
  { target }: Connection,
  known: KnownTerms,
  question: string,
): Promise<PolicyTerms | undefined> {
  const apis = await listResources(target)
  const named = known.resources ?? apis.map(({ uri }) => uri)
  const within = apis.filter(({ uri }) => named.includes(uri))
  const offered = [...new Set(within.flatMap(({ permissions }) => permissions))].sort()
  if (known.permissions === undefined && offered.length === 0) return undefined
  const permissions =
    known.permissions ??
    (await prompts.chooseSome(
      question,
      offered.map((permission) => ({ name: toPrintable(permission), value: permission })),
    ))
  if (permissions.length === 0) return undefined

  const reached = within.filter((api) => api.permissions.some((held) => permissions.includes(held)))
  if (known.resources === undefined && reached.length === 0) return undefined
  const ask = async (question: string) => (await prompts.ask(question)).trim()
  return {
    ...known,
    permissions,
    resources: known.resources ?? reached.map(({ uri }) => uri),
    role: known.role ?? (await askPersistently(prompts, 'Role of the people who may delegate that:')),
    agentType:
      known.agentType ?? ((await ask('Kind of agent they may delegate to (langchain):')) || 'langchain'),
    maxTtlSeconds:
      known.maxTtlSeconds ??
      parseSeconds((await ask('How long does a delegation live at most (8h):')) || '8h'),
    enabled: known.enabled ?? true,
  }
}
