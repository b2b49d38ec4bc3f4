import type { Command } from '@commander-js/extra-typings'
import { type Client, type ClientPatch, updateClient } from '../../../api/clients.js'
import { AuthsecError } from '../../../core/errors.js'
import { findNamedClient } from '../../client-reference.js'
import { type Connection, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags, collect } from '../../flags.js'
import { describe } from '../../help.js'
import { listClientFields } from './register.js'

/** The client as it is now. */
export type Output = Client

export function addClientUpdate(parent: Command, context: Context): void {
  const command = describe(parent.command('update'), {
    summary: 'change the name, the address or the tags of a client',
    examples: [['authsec client update billing-bot --name billing-agent', 'call it something else']],
    exits: [0, 2, 4, 5, 6, 7, ...SERVER_EXITS],
    seeAlso: ['authsec client show', 'authsec client deactivate'],
  })
    .argument('<client>', 'its UUID or its exact name')
    .option('--name <name>', 'what it is called from now on')
    .option('--email <email>', 'whom to write to about it')
    .option('--tag <tag>', 'a word to sort it by, in the place of those it has; repeatable', collect, [])
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(command).action(async (reference, flags) => {
    const { name, email, tag } = flags
    if (name === undefined && email === undefined && tag.length === 0) {
      throw new AuthsecError('usage', 'nothing is given that shall change', {
        hint: 'Give --name, --email or --tag.',
      })
    }
    const patch = { name, email, ...(tag.length > 0 && { tags: tag }) }
    await update(context, await openConnection(context, flags), reference, patch, flags.json)
  })
}

async function update(
  { io }: Context,
  connection: Connection,
  reference: string,
  patch: ClientPatch,
  json: boolean,
): Promise<void> {
  const { client_id } = await findNamedClient(connection, reference)
  const client = await updateClient(connection.target, await connection.findTenant(), client_id, patch)
  if (json) io.json<Output>(client)
  else io.record(listClientFields(client))
}
