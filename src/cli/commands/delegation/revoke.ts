import type { Command } from '@commander-js/extra-typings'
import { revokeDelegation } from '../../../api/delegations.js'
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
import { listDelegationConsequences } from '../../consequences.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'

/** The agent whose delegation was revoked, or what would stop working. */
export type Output = RevokedDelegation | DryRun

/** The agent whose delegation was revoked. */
export interface RevokedDelegation {
  client_id: string
  /** That of the client. */
  name: string
  status: 'revoked'
}

/** The ending of a delegation, in the words of the messages. */
export const REVOCATION: Deed = {
  infinitive: 'revoke its delegation',
  participle: 'revoked',
  proof: 'the name of the client',
}

export function addRevoke(parent: Command, context: Context): void {
  const command = describe(parent.command('revoke'), {
    summary: 'end the delegation of an agent at once',
    details:
      'No new token is issued from then on. A call token that is out already lives to its end, at most five ' +
      'minutes. The name of the client has to be typed, or given with --confirm.',
    examples: [
      ['authsec delegation revoke billing-bot', 'asks for the name first'],
      ['authsec delegation revoke billing-bot --confirm billing-bot', 'in a script'],
      ['authsec delegation revoke billing-bot --dry-run', 'what would stop working'],
    ],
    exits: [0, 2, 4, 5, 6, 7, ...SERVER_EXITS, 130],
    seeAlso: ['authsec delegation grant', 'authsec token revoke'],
  })
    .argument('<client>', 'the agent, by its UUID or exact name')
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(addConfirmFlags(command, REVOCATION.proof)).action(async (reference, flags) => {
    assertConfirmable(context, flags, REVOCATION)
    await revokeByClient(context, await openConnection(context, flags), reference, flags)
  })
}

/** Ends the delegation of a client once it is confirmed. */
export async function revokeByClient(
  context: Context,
  connection: Connection,
  reference: string,
  flags: ConfirmFlags,
): Promise<void> {
  const { io } = context
  const { client_id, name } = await findNamedClient(connection, reference)
  const list = () => listDelegationConsequences(connection, client_id)
  if (!(await mayProceed(context, flags, REVOCATION, name, list))) return
  await revokeDelegation(connection.target, client_id)
  if (flags.json) io.json<RevokedDelegation>({ client_id, name, status: 'revoked' })
  else io.note(`revoked the delegation of ${toPrintable(name)} (${client_id})`)
}
