import type { Command } from '@commander-js/extra-typings'
import { activateKey, type KeyChange } from '../../../api/keys.js'
import { type Connection, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'
import { printKeyChanges } from '../../key-flags.js'

/** The keys that changed, and what each is now. */
export type Output = readonly KeyChange[]

export function addKeyActivate(parent: Command, context: Context): void {
  const command = describe(parent.command('activate'), {
    summary: 'let a prepared key sign from now on',
    details:
      'Refused while a verifier may still hold a key set without it. What the key before it signed stays good for ' +
      'as long as it lives.',
    examples: [['authsec keys activate 2Z7mJ…', 'a key that keys list shows as prepared']],
    exits: [0, 2, 4, 5, 6, 7, ...SERVER_EXITS],
    seeAlso: ['authsec keys list', 'authsec keys rotate'],
  })
    .argument('<kid>', 'the id of the key')
    .option('--json', 'print a JSON array of the keys that changed', false)
  addConnectionFlags(command).action(async (kid, { json, ...flags }) =>
    activate(context, await openConnection(context, flags), kid, json),
  )
}

async function activate(context: Context, { target }: Connection, kid: string, json: boolean): Promise<void> {
  const changed = await activateKey(target, kid)
  if (json) context.io.json<Output>(changed)
  else await printKeyChanges(context, changed)
}
