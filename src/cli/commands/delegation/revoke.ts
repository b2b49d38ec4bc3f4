import type { Command } from '@commander-js/extra-typings'
import { revokeDelegation } from '../../../api/delegations.js'
import { toPrintable } from '../../../core/printable.js'
import { findNamedClient } from '../../client-reference.js'
import { assertConfirmable, confirm } from '../../confirmation.js'
import { type Connection, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'

export function addRevoke(parent: Command, context: Context): void {
  const command = describe(parent.command('revoke'), {
    summary: 'end the delegation of an agent at once',
    details:
      'No new token is issued from then on. A call token that is out already lives to its end, at most five ' +
      'minutes. The name of the client has to be typed, or given with --confirm.',
    examples: [
      ['authsec delegation revoke billing-bot', 'asks for the name first'],
      ['authsec delegation revoke billing-bot --confirm billing-bot', 'in a script'],
    ],
    exits: [0, 2, 4, 5, 6, 7, ...SERVER_EXITS, 130],
    seeAlso: ['authsec delegation grant'],
  })
    .argument('<client>', 'the agent, by its UUID or exact name')
    .option('--confirm <name>', 'the name of the client, instead of typing it')
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(command).action(async (reference, flags) => {
    assertConfirmable(context, flags.confirm, 'revoking', 'name of the client')
    await revoke(context, await openConnection(context, flags), reference, flags.confirm, flags.json)
  })
}

async function revoke(
  context: Context,
  connection: Connection,
  reference: string,
  confirmation: string | undefined,
  json: boolean,
): Promise<void> {
  const { client_id, name } = await findNamedClient(connection, reference)
  const what = 'name of the client'
  await confirm(context, { name, what, to: 'revoke its delegation', given: confirmation })
  await revokeDelegation(connection.target, client_id)
  const { io } = context
  if (json) io.json({ client_id, name, status: 'revoked' })
  else io.note(`revoked the delegation of ${toPrintable(name)} (${client_id})`)
}
