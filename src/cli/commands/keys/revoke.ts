import type { Command } from '@commander-js/extra-typings'
import type { KeyEmergency } from '../../../api/keys.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'
import { condemn } from '../../key-condemnation.js'

/** The keys that changed, and what the compromised one signed that is alive. */
export type Output = KeyEmergency

export function addKeyRevoke(parent: Command, context: Context): void {
  const command = describe(parent.command('revoke'), {
    summary: 'take a compromised key out of the key set at once',
    details:
      'The prepared key takes over. Verifiers refuse what the compromised one signed as soon as they read the key ' +
      'set again; those tokens are listed. Its id has to be typed, or given with --confirm. There is no way back.',
    examples: [
      ['authsec keys revoke 2Z7mJ…', 'asks for the id first'],
      ['authsec keys revoke 2Z7mJ… --confirm 2Z7mJ… --json', 'in a script'],
    ],
    exits: [0, 2, 4, 5, 6, 7, ...SERVER_EXITS, 130],
    seeAlso: ['authsec keys taint', 'authsec keys list'],
  })
    .argument('<kid>', 'the id of the key')
    .option('--confirm <kid>', 'its id again, instead of typing it')
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(command).action((kid, flags) => condemn(context, { ...flags, kid, verb: 'revoke' }))
}
