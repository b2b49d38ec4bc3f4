import type { Command } from '@commander-js/extra-typings'
import { deleteTrustRule, findTrustRule } from '../../../api/trust-rules.js'
import { toPrintable } from '../../../core/printable.js'
import { addConfirmFlags, assertConfirmable, type Deed, type DryRun, mayProceed } from '../../confirmation.js'
import { openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'

/** The trust rule that was deleted, or what would stop working. */
export type Output = Deleted | DryRun

interface Deleted {
  name: string
  status: 'deleted'
}

const DEED: Deed = { infinitive: 'delete it', participle: 'deleted', proof: 'the name of the rule' }

export function addTrustDelete(parent: Command, context: Context): void {
  const command = describe(parent.command('delete'), {
    summary: 'delete a trust rule: no job gets a token under it from then on',
    details: 'What has been issued lives for seconds still; authsec token revoke ends it at once.',
    examples: [['authsec trust delete deploy --confirm deploy', 'in a script']],
    exits: [0, 2, 4, 5, 6, ...SERVER_EXITS, 130],
    seeAlso: ['authsec trust list'],
  })
    .argument('<name>', 'the name of the rule')
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(addConfirmFlags(command, DEED.proof)).action(async (reference, flags) => {
    assertConfirmable(context, flags, DEED)
    const { io } = context
    const { target } = await openConnection(context, flags)
    const { name, subject, client_id } = await findTrustRule(target, reference)
    const consequence = { kind: 'trust', id: client_id, detail: subject } as const
    if (!(await mayProceed(context, flags, DEED, name, async () => [consequence]))) return
    await deleteTrustRule(target, name)
    if (flags.json) io.json<Output>({ name, status: 'deleted' })
    else io.note(`deleted ${toPrintable(name)}`)
  })
}
