import type { Command } from '@commander-js/extra-typings'
import { findPolicy, type Policy } from '../../../api/policies.js'
import { openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'
import { describePolicy } from './list.js'

/** The policy. */
export type Output = Policy

export function addPolicyShow(parent: Command, context: Context): void {
  const command = describe(parent.command('show'), {
    summary: 'show one policy',
    examples: [
      ['authsec policy show 3f8e1f0c-2f3f-4d0e-9d0a-8f4f0f6a1c22', 'by the id that policy list prints'],
    ],
    exits: [0, 2, 4, 5, 6, ...SERVER_EXITS],
    seeAlso: ['authsec policy list'],
  })
    .argument('<policy>', 'its UUID')
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(command).action(async (id, flags) => {
    const { io } = context
    const { target } = await openConnection(context, flags)
    const policy = await findPolicy(target, id)
    if (flags.json) io.json<Output>(policy)
    else io.record(describePolicy(policy))
  })
}
