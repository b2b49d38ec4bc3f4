import type { Command } from '@commander-js/extra-typings'
import { type Client, setClientActive } from '../../../api/clients.js'
import { toPrintable } from '../../../core/printable.js'
import { findNamedClient } from '../../client-reference.js'
import { openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe, type HelpNotes } from '../../help.js'

/** The client as it is now. */
export type Output = Client

export function addActivate(parent: Command, context: Context): void {
  addSwitch(parent, context, true, {
    summary: 'let a client act again',
    examples: [['authsec client activate billing-bot', 'it may be delegated to again, and use what it has']],
    seeAlso: ['authsec client deactivate'],
  })
}

/** Adds the command that switches a client on or off. */
export function addSwitch(parent: Command, context: Context, active: boolean, notes: HelpNotes): void {
  const command = describe(parent.command(active ? 'activate' : 'deactivate'), {
    ...notes,
    exits: [0, 2, 4, 5, 6, 7, ...SERVER_EXITS],
  })
    .argument('<client>', 'its UUID or its exact name')
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(command).action(async (reference, flags) => {
    const { io } = context
    const connection = await openConnection(context, flags)
    const { client_id } = await findNamedClient(connection, reference)
    const tenantId = await connection.findTenant()
    const client = await setClientActive(connection.target, tenantId, client_id, active)
    if (flags.json) io.json<Output>(client)
    else io.note(`${toPrintable(client.name)} (${client_id}) ${active ? 'may act' : 'may not act'}`)
  })
}
