import type { Command } from '@commander-js/extra-typings'
import { type KeyChange, type KeyPlace, prepareKey } from '../../../api/keys.js'
import { type Connection, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'
import { addPlaceFlags, printKeyChanges } from '../../key-flags.js'

/** The keys that changed, and what each is now. */
export type Output = readonly KeyChange[]

export function addKeyPrepare(parent: Command, context: Context): void {
  const command = describe(parent.command('prepare'), {
    summary: 'make the next signing key and publish it',
    details:
      'It signs nothing until it is activated, and not before verifiers can know it. Usually there is nothing to ' +
      'do: one key is always prepared.',
    examples: [['authsec keys prepare --alg RS256', 'the next key of call tokens in RS256']],
    exits: [0, 2, 4, 5, 7, ...SERVER_EXITS],
    seeAlso: ['authsec keys activate', 'authsec keys list'],
  }).option('--json', 'print a JSON array of the keys that changed', false)
  addConnectionFlags(addPlaceFlags(command)).action(async ({ purpose, alg, json, ...flags }) =>
    prepare(context, await openConnection(context, flags), { purpose, alg }, json),
  )
}

async function prepare(
  context: Context,
  { target }: Connection,
  place: KeyPlace,
  json: boolean,
): Promise<void> {
  const changed = await prepareKey(target, place)
  if (json) context.io.json<Output>(changed)
  else await printKeyChanges(context, changed)
}
