import type { Command } from '@commander-js/extra-typings'
import { type Client, isActive } from '../../../api/clients.js'
import { findNamedClient } from '../../client-reference.js'
import { formatWhen } from '../../columns.js'
import { type Connection, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'
import { listClientFields } from './register.js'

/** The client. */
export type Output = Client

export function addShow(parent: Command, context: Context): void {
  const command = describe(parent.command('show'), {
    summary: 'show one client',
    examples: [['authsec client show demo-agent', 'the agent that comes with a dev server']],
    exits: [0, 2, 4, 5, 6, 7, ...SERVER_EXITS],
    seeAlso: ['authsec client list'],
  })
    .argument('<client>', 'its UUID or its exact name')
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(command).action(async (reference, flags) =>
    show(context, await openConnection(context, flags), reference, flags.json),
  )
}

async function show(
  { io, clock }: Context,
  connection: Connection,
  reference: string,
  json: boolean,
): Promise<void> {
  const client = await findNamedClient(connection, reference)
  if (json) {
    io.json<Output>(client)
    return
  }
  io.record([
    ...listClientFields(client),
    ['status', isActive(client) ? 'active' : 'inactive'],
    ['created', formatWhen(client.created_at, clock.now(), io.isTerminal)],
  ])
}
