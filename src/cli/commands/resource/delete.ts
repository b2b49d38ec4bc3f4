import type { Command } from '@commander-js/extra-typings'
import { deleteResource, findResource } from '../../../api/resources.js'
import { toPrintable } from '../../../core/printable.js'
import {
  addConfirmFlags,
  assertConfirmable,
  type ConfirmFlags,
  type Deed,
  type DryRun,
  mayProceed,
} from '../../confirmation.js'
import { type Connection, openConnection } from '../../connection.js'
import { listResourceConsequences } from '../../consequences.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'

/** The API that was deleted, or what would stop working. */
export type Output = Deleted | DryRun

interface Deleted {
  uri: string
  status: 'deleted'
}

const DEED: Deed = { infinitive: 'delete it', participle: 'deleted', proof: 'the URI of the resource' }

export function addResourceDelete(parent: Command, context: Context): void {
  const command = describe(parent.command('delete'), {
    summary: 'delete an API: no token is issued for it from then on',
    examples: [
      [
        'authsec resource delete https://shipping.example --dry-run',
        'which policies and delegations name it',
      ],
      ['authsec resource delete https://shipping.example --confirm https://shipping.example', 'in a script'],
    ],
    exits: [0, 2, 4, 5, 6, ...SERVER_EXITS, 130],
    seeAlso: ['authsec resource list'],
  })
    .argument('<uri>', 'its address, as it is registered')
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(addConfirmFlags(command, DEED.proof)).action(async (uri, flags) => {
    assertConfirmable(context, flags, DEED)
    await remove(context, await openConnection(context, flags), uri, flags)
  })
}

async function remove(
  context: Context,
  connection: Connection,
  reference: string,
  flags: ConfirmFlags,
): Promise<void> {
  const { io } = context
  const { uri } = await findResource(connection.target, reference)
  if (!(await mayProceed(context, flags, DEED, uri, () => listResourceConsequences(connection, uri)))) return
  await deleteResource(connection.target, uri)
  if (flags.json) io.json<Output>({ uri, status: 'deleted' })
  else io.note(`deleted ${toPrintable(uri)}`)
}
