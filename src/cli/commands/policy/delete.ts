import type { Command } from '@commander-js/extra-typings'
import { deletePolicy, findPolicy } from '../../../api/policies.js'
import {
  addConfirmFlags,
  assertConfirmable,
  type ConfirmFlags,
  type Deed,
  type DryRun,
  mayProceed,
} from '../../confirmation.js'
import { type Connection, openConnection } from '../../connection.js'
import { listPolicyConsequences } from '../../consequences.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'

/** The policy that was deleted, or what would stop working. */
export type Output = Deleted | DryRun

interface Deleted {
  id: string
  status: 'deleted'
}

const DEED: Deed = { infinitive: 'delete it', participle: 'deleted', proof: 'the id of the policy' }

export function addPolicyDelete(parent: Command, context: Context): void {
  const command = describe(parent.command('delete'), {
    summary: 'delete a policy, and with it the delegations under it',
    examples: [
      ['authsec policy delete 3f8e1f0c-2f3f-4d0e-9d0a-8f4f0f6a1c22 --dry-run', 'which delegations would end'],
    ],
    exits: [0, 2, 4, 5, 6, ...SERVER_EXITS, 130],
    seeAlso: ['authsec policy list', 'authsec policy update'],
  })
    .argument('<policy>', 'its UUID')
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(addConfirmFlags(command, DEED.proof)).action(async (id, flags) => {
    assertConfirmable(context, flags, DEED)
    await remove(context, await openConnection(context, flags), id, flags)
  })
}

async function remove(
  context: Context,
  connection: Connection,
  reference: string,
  flags: ConfirmFlags,
): Promise<void> {
  const { io } = context
  const { id } = await findPolicy(connection.target, reference)
  if (!(await mayProceed(context, flags, DEED, id, () => listPolicyConsequences(connection, id)))) return
  await deletePolicy(connection.target, id)
  if (flags.json) io.json<Output>({ id, status: 'deleted' })
  else io.note(`deleted policy ${id}`)
}
