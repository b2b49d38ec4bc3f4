import type { Command } from '@commander-js/extra-typings'
import { type Delegation, listDelegations } from '../../../api/delegations.js'
import { formatWhen } from '../../columns.js'
import { openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'

/** The delegations, the latest first; of AuthSec itself only those that are live. */
export type Output = readonly Delegation[]

export function addDelegationList(parent: Command, context: Context): void {
  const command = describe(parent.command('list'), {
    summary: 'list what agents may do for people, the latest first',
    details:
      'AuthSec itself keeps no list: there each agent is asked for its token, which is dropped, so that only live ' +
      'delegations are seen.',
    examples: [
      ['authsec delegation list --active', 'which agents can act now'],
      ["authsec delegation list --json | jq -r '.[].client_id'", 'the id of every agent'],
    ],
    exits: [0, 2, 4, 5, ...SERVER_EXITS],
    seeAlso: ['authsec delegation show', 'authsec delegation grant'],
  })
    .option('--active', 'only those that are live', false)
    .option('--json', 'print a JSON array', false)
  addConnectionFlags(command).action(async (flags) => {
    const { target } = await openConnection(context, flags)
    const found = await listDelegations(target)
    const chosen = flags.active ? found.filter(({ status }) => status === 'active') : found
    await print(context, chosen, flags.json)
  })
}

async function print(
  { io, clock }: Context,
  delegations: readonly Delegation[],
  json: boolean,
): Promise<void> {
  if (json) io.json<Output>(delegations)
  else if (delegations.length === 0) io.note('no delegations')
  else {
    await io.table(
      ['client id', 'client', 'status', 'permissions', 'audience', 'expires'],
      delegations.map((delegation) => [
        delegation.client_id,
        delegation.client_name ?? '',
        delegation.status,
        delegation.permissions.join(', '),
        delegation.audience.join(', '),
        formatWhen(delegation.expires_at, clock.now(), io.isTerminal),
      ]),
    )
  }
}
