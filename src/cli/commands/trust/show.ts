import type { Command } from '@commander-js/extra-typings'
import { findTrustRule, type TrustRule } from '../../../api/trust-rules.js'
import { openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'
import { listTrustFields } from './create.js'

/** The trust rule. */
export type Output = TrustRule

export function addTrustShow(parent: Command, context: Context): void {
  const command = describe(parent.command('show'), {
    summary: 'show one trust rule',
    examples: [['authsec trust show deploy', 'what an identity token has to say']],
    exits: [0, 2, 4, 5, 6, ...SERVER_EXITS],
    seeAlso: ['authsec trust list'],
  })
    .argument('<name>', 'the name of the rule')
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(command).action(async (name, flags) => {
    const { io } = context
    const { target } = await openConnection(context, flags)
    const rule = await findTrustRule(target, name)
    if (flags.json) io.json<Output>(rule)
    else io.record(listTrustFields(rule))
  })
}
