import type { Command } from '@commander-js/extra-typings'
import { createPolicy, type PolicyTerms } from '../../../api/policies.js'
import { AuthsecError } from '../../../core/errors.js'
import { toPrintable } from '../../../core/printable.js'
import { findClientId } from '../../client-reference.js'
import { type Connection, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags, collect, collectPermission, parseSeconds } from '../../flags.js'
import { describe } from '../../help.js'
import { describePolicy } from './list.js'

export function addPolicyCreate(parent: Command, context: Context): void {
  const command = describe(parent.command('create'), {
    summary: 'allow a role to delegate to a kind of agent',
    examples: [
      [
        'authsec policy create --role member --agent-type crewai --permission billing:read --resource https://billing.example --max-ttl 8h',
        'members may let crewai agents read their bills, for eight hours at most',
      ],
    ],
    exits: [0, 2, 4, 5, 6, 7, ...SERVER_EXITS],
    seeAlso: ['authsec policy list', 'authsec delegation grant'],
  })
    .requiredOption('--role <role>', 'the role of the people who may delegate')
    .requiredOption('--agent-type <type>', 'the kind of agent they may delegate to')
    .option(
      '--permission <permission>',
      'what they may delegate; repeatable (required)',
      collectPermission,
      [],
    )
    .option('--resource <uri>', 'the API where it holds; repeatable (required)', collect, [])
    .requiredOption('--max-ttl <duration>', 'how long a delegation lives at most', parseSeconds)
    .option('--client <client>', 'only this client, by its UUID or exact name')
    .option('--disabled', 'create it without effect', false)
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(command).action(async (flags) => {
    const { role, agentType, permission: permissions, resource: resources, maxTtl, disabled } = flags
    assertGiven('--permission', permissions)
    assertGiven('--resource', resources)
    const connection = await openConnection(context, flags)
    const clientId = flags.client === undefined ? undefined : await findClientId(connection, flags.client)
    const terms = {
      role,
      agentType,
      permissions,
      resources,
      maxTtlSeconds: maxTtl,
      enabled: !disabled,
      clientId,
    }
    await create(context, connection, terms, flags.json)
  })
}

async function create(
  { io }: Context,
  { target }: Connection,
  terms: PolicyTerms,
  json: boolean,
): Promise<void> {
  const { policy, warnings } = await createPolicy(target, terms)
  for (const warning of warnings) io.warn(toPrintable(warning))
  if (json) io.json(policy)
  else io.record(describePolicy(policy))
}

function assertGiven(flag: string, values: readonly string[]): void {
  if (values.length === 0) {
    throw new AuthsecError('usage', `no ${flag} is given`, { hint: `Give ${flag} at least once.` })
  }
}
