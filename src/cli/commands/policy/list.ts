import type { Command } from '@commander-js/extra-typings'
import { listPolicies, type Policy } from '../../../api/policies.js'
import { formatDuration } from '../../../core/duration.js'
import { type Connection, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'

/** Every policy, newest first. */
export type Output = Policy[]

export function addPolicyList(parent: Command, context: Context): void {
  const command = describe(parent.command('list'), {
    summary: 'list the policies, newest first',
    examples: [['authsec policy list', 'who may delegate what to which agents']],
    exits: [0, 2, 4, 5, ...SERVER_EXITS],
    seeAlso: ['authsec policy create'],
  }).option('--json', 'print a JSON array', false)
  addConnectionFlags(command).action(async (flags) =>
    list(context, await openConnection(context, flags), flags.json),
  )
}

async function list({ io }: Context, { target }: Connection, json: boolean): Promise<void> {
  const policies = await listPolicies(target)
  if (json) {
    io.json<Output>(policies)
    return
  }
  if (policies.length === 0) {
    io.note('no policies')
    return
  }
  const rows = policies.map((policy) => describePolicy(policy))
  const titles = rows[0]?.map(([title]) => title) ?? []
  await io.table(
    titles,
    rows.map((row) => row.map(([, value]) => value)),
  )
}

/** The terms of a policy in words. */
export function describePolicy(policy: Policy): [name: string, value: string][] {
  const permissions = policy.allowed_permissions.join(', ')
  return [
    ['policy id', policy.id],
    ['role', policy.role_name],
    ['agent type', policy.agent_type],
    // AuthSec reads an empty list as everything the person has, which is worth saying.
    ['permissions', permissions === '' ? 'everything the person has' : permissions],
    ['resources', policy.resources.join(', ')],
    ['max ttl', policy.max_ttl_seconds === undefined ? '' : formatDuration(policy.max_ttl_seconds)],
    ['status', policy.enabled === false ? 'disabled' : 'enabled'],
    ['client', policy.client_id ?? ''],
  ]
}
