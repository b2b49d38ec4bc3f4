import type { Command } from '@commander-js/extra-typings'
import { setClientKeys } from '../../../api/client-proofs.js'
import { type Client, type ClientPatch, updateClient } from '../../../api/clients.js'
import { AuthsecError } from '../../../core/errors.js'
import type { JsonObject } from '../../../core/strict-json.js'
import { findNamedClient } from '../../client-reference.js'
import { type Connection, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags, collect } from '../../flags.js'
import { describe } from '../../help.js'
import { readPublicKeySetFile } from '../../key-file.js'
import { listClientFields } from './register.js'

/** The client as it is now. */
export type Output = Client

export function addClientUpdate(parent: Command, context: Context): void {
  const command = describe(parent.command('update'), {
    summary: 'change the name, the address, the tags or the keys of a client',
    details:
      'With --jwks the client proves who it is by one of these keys from then on (private_key_jwt), and by nothing ' +
      'else: a secret that it had ends at once. Only public keys are taken.',
    examples: [
      ['authsec client update billing-bot --name billing-agent', 'call it something else'],
      ['authsec client update billing-bot --jwks jwks.json', 'let it prove itself by a key'],
    ],
    exits: [0, 2, 4, 5, 6, 7, ...SERVER_EXITS],
    seeAlso: ['authsec client show', 'authsec client deactivate', 'authsec keys jwks'],
  })
    .argument('<client>', 'its UUID or its exact name')
    .option('--name <name>', 'what it is called from now on')
    .option('--email <email>', 'whom to write to about it')
    .option('--tag <tag>', 'a word to sort it by, in the place of those it has; repeatable', collect, [])
    .option('--jwks <file>', 'the public keys that it proves itself by, as a JWK or a JWK Set')
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(command).action(async (reference, flags) => {
    const { name, email, tag, jwks, json } = flags
    const isPatched = name !== undefined || email !== undefined || tag.length > 0
    if (!isPatched && jwks === undefined) {
      throw new AuthsecError('usage', 'nothing is given that shall change', {
        hint: 'Give --name, --email, --tag or --jwks.',
      })
    }
    const patch = isPatched ? { name, email, ...(tag.length > 0 && { tags: tag }) } : undefined
    const keys = jwks === undefined ? undefined : await readPublicKeySetFile(jwks)
    const client = await update(await openConnection(context, flags), reference, { patch, keys })
    if (json) context.io.json<Output>(client)
    else context.io.record(listClientFields(client))
  })
}

async function update(
  connection: Connection,
  reference: string,
  { patch, keys }: { patch: ClientPatch | undefined; keys: JsonObject | undefined },
): Promise<Client> {
  const { target } = connection
  let client = await findNamedClient(connection, reference)
  const { client_id } = client
  if (patch !== undefined) {
    client = await updateClient(target, await connection.findTenant(), client_id, patch)
  }
  return keys === undefined ? client : await setClientKeys(target, client_id, keys)
}
