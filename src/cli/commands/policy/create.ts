import type { Command } from '@commander-js/extra-typings'
import { createPolicy, type Policy, type PolicyTerms } from '../../../api/policies.js'
import { AuthsecError } from '../../../core/errors.js'
import { toPrintable } from '../../../core/printable.js'
import { findClientId } from '../../client-reference.js'
import { type Connection, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { createEach, parseDeclarations } from '../../declaration.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags, collect, collectPermission, parseSeconds } from '../../flags.js'
import { describe } from '../../help.js'
import { POLICIES } from '../../policy-declaration.js'
import { readDeclaration } from '../../text-input.js'
import { describePolicy } from './list.js'

interface PolicyFlags {
  role?: string | undefined
  agentType?: string | undefined
  permission: readonly string[]
  resource: readonly string[]
  /** Seconds. */
  maxTtl?: number | undefined
  disabled: boolean
}

/** Without one of these there is no policy; at a terminal they are asked for. */
const MANDATORY = ['role', 'agentType', 'permission', 'resource', 'maxTtl'] as const

/** The policy that was created; of several declared with --file, all of them in that order. */
export type Output = Policy | Policy[]

export function addPolicyCreate(parent: Command, context: Context): void {
  const command = describe(parent.command('create'), {
    summary: 'allow a role to delegate to a kind of agent',
    details: 'At a terminal it asks for what no flag says.',
    examples: [
      [
        'authsec policy create --role member --agent-type crewai --permission billing:read --resource https://billing.example --max-ttl 8h',
        'members may let crewai agents read their bills, for eight hours at most',
      ],
      ['authsec policy create --file policies.json', 'policies that are declared in a file'],
    ],
    exits: [0, 2, 4, 5, 6, 7, ...SERVER_EXITS, 130],
    seeAlso: ['authsec policy list', 'authsec delegation grant'],
  })
    .option('--role <role>', 'the role of the people who may delegate (required)')
    .option('--agent-type <type>', 'the kind of agent they may delegate to (required)')
    .option(
      '--permission <permission>',
      'what they may delegate; repeatable (required)',
      collectPermission,
      [],
    )
    .option('--resource <uri>', 'the API where it holds; repeatable (required)', collect, [])
    .option('--max-ttl <duration>', 'how long a delegation lives at most (required)', parseSeconds)
    .option('--client <client>', 'only this client, by its UUID or exact name')
    .option('--disabled', 'create it without effect', false)
    .addOption(
      parent
        .createOption('--file <file>', 'policies as JSON instead, one or a list; - for standard input')
        .conflicts(['role', 'agentType', 'permission', 'resource', 'maxTtl', 'client', 'disabled']),
    )
    .option('--json', 'print one JSON object; of several declared, a list', false)
  addConnectionFlags(command).action(async (flags) => {
    const asks =
      flags.file === undefined && context.io.isInteractive && MANDATORY.some((term) => isMissing(flags[term]))
    const given = asks ? undefined : await readPolicies(context, flags)
    const connection = await openConnection(context, flags)
    const declared = given ?? [await interview(context, connection, flags)]
    // Before the first is created, because what is declared may name clients too.
    const bound: PolicyTerms[] = []
    for (const policy of declared) {
      const reference = flags.client ?? policy.clientId
      bound.push({ ...policy, clientId: reference && (await findClientId(connection, reference)) })
    }
    await create(context, connection, bound, flags.json)
  })
}

async function readPolicies(
  { io }: Context,
  flags: PolicyFlags & { file?: string | undefined },
): Promise<PolicyTerms[]> {
  if (flags.file === undefined) return [readFlags(flags)]
  return parseDeclarations(await readDeclaration(io, flags.file), POLICIES)
}

async function interview(context: Context, connection: Connection, flags: PolicyFlags): Promise<PolicyTerms> {
  const { interviewForTerms } = await import('../../policy-interview.js')
  const { role, agentType, permission, resource, maxTtl: maxTtlSeconds, disabled } = flags
  const known = {
    role: orMissing(role),
    agentType: orMissing(agentType),
    permissions: orMissing(permission),
    resources: orMissing(resource),
    maxTtlSeconds,
    enabled: !disabled,
  }
  const terms = await interviewForTerms(context, connection, known, 'What may be delegated?')
  if (terms !== undefined) return terms
  throw new AuthsecError('cancelled', 'no permission of an API was chosen, and no policy was made', {
    hint: 'The permissions are those of the APIs: see authsec resource list.',
  })
}

function orMissing<V extends string | readonly string[]>(value: V | undefined): V | undefined {
  return isMissing(value) ? undefined : value
}

function isMissing(value: string | number | readonly string[] | undefined): boolean {
  return value === undefined || (typeof value !== 'number' && value.length === 0)
}

function readFlags(flags: PolicyFlags): PolicyTerms {
  const { role, agentType, permission: permissions, resource: resources, maxTtl: maxTtlSeconds } = flags
  return {
    role: requireFlag('--role', role),
    agentType: requireFlag('--agent-type', agentType),
    permissions: requireFlag('--permission', permissions),
    resources: requireFlag('--resource', resources),
    maxTtlSeconds: requireFlag('--max-ttl', maxTtlSeconds),
    enabled: !flags.disabled,
  }
}

async function create(
  { io }: Context,
  { target }: Connection,
  declared: readonly PolicyTerms[],
  json: boolean,
): Promise<void> {
  const createOne = async (terms: PolicyTerms) => {
    const { policy, warnings } = await createPolicy(target, terms)
    for (const warning of warnings) io.warn(toPrintable(warning))
    return policy
  }
  const policies = await createEach({ io, json }, declared, createOne, describePolicy)
  if (json) io.json<Output>(policies)
}

function requireFlag<V extends string | number | readonly string[]>(flag: string, value: V | undefined): V {
  if (value !== undefined && !isMissing(value)) return value
  throw new AuthsecError('usage', `no ${flag} is given`, {
    hint: `Add ${flag}, or declare the policy in a file with --file.`,
  })
}
