import type { Command } from '@commander-js/extra-typings'
import type { KeyEmergency } from '../../../api/keys.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'
import { condemn } from '../../key-condemnation.js'

/** The keys that changed, and what the suspect one signed that is alive. */
export type Output = KeyEmergency

export function addKeyTaint(parent: Command, context: Context): void {
  const command = describe(parent.command('taint'), {
    summary: 'let a suspect key sign nothing more',
    details:
      'The prepared key takes over at once. Verifiers still find the suspect one until what it signed has expired, ' +
      'but the server itself takes none of it any more; those tokens are listed. Its id has to be typed, or given ' +
      'with --confirm.',
    examples: [
      ['authsec keys taint 2Z7mJ…', 'asks for the id first'],
      ['authsec keys taint 2Z7mJ… --confirm 2Z7mJ… --json', 'in a script'],
    ],
    exits: [0, 2, 4, 5, 6, 7, ...SERVER_EXITS, 130],
    seeAlso: ['authsec keys revoke', 'authsec keys list'],
  })
    .argument('<kid>', 'the id of the key')
    .option('--confirm <kid>', 'its id again, instead of typing it')
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(command).action((kid, flags) => condemn(context, { ...flags, kid, verb: 'taint' }))
}
