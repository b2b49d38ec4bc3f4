import type { Command } from '@commander-js/extra-typings'
import { deleteClient } from '../../../api/clients.js'
import { toPrintable } from '../../../core/printable.js'
import { findNamedClient } from '../../client-reference.js'
import {
  addConfirmFlags,
  assertConfirmable,
  type ConfirmFlags,
  type Deed,
  type DryRun,
  mayProceed,
} from '../../confirmation.js'
import { type Connection, openConnection } from '../../connection.js'
import { listClientConsequences } from '../../consequences.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'

/** The client that was deleted, or what would stop working. */
export type Output = Deleted | DryRun

interface Deleted {
  client_id: string
  name: string
  status: 'deleted'
}

const DEED: Deed = { infinitive: 'delete it', participle: 'deleted', proof: 'the name of the client' }

export function addClientDelete(parent: Command, context: Context): void {
  const command = describe(parent.command('delete'), {
    summary: 'delete a client',
    details:
      'Its traces stay, for the audit log. With --complete its delegation and the policies for it go too.',
    examples: [
      ['authsec client delete billing-bot --dry-run', 'what would stop working'],
      ['authsec client delete billing-bot --confirm billing-bot', 'in a script'],
    ],
    exits: [0, 2, 4, 5, 6, 7, ...SERVER_EXITS, 130],
    seeAlso: ['authsec client deactivate'],
  })
    .argument('<client>', 'its UUID or its exact name')
    .option('--complete', 'with its delegation and the policies that are for it alone', false)
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(addConfirmFlags(command, DEED.proof)).action(async (reference, flags) => {
    assertConfirmable(context, flags, DEED)
    await remove(context, await openConnection(context, flags), reference, flags)
  })
}

async function remove(
  context: Context,
  connection: Connection,
  reference: string,
  flags: ConfirmFlags & { complete: boolean },
): Promise<void> {
  const { io } = context
  const { client_id, name } = await findNamedClient(connection, reference)
  const list = () => listClientConsequences(connection, client_id)
  if (!(await mayProceed(context, flags, DEED, name, list))) return
  await deleteClient(connection.target, await connection.findTenant(), client_id, flags)
  if (flags.json) io.json<Output>({ client_id, name, status: 'deleted' })
  else io.note(`deleted ${toPrintable(name)} (${client_id})`)
}
