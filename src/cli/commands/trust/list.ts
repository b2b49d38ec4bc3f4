import type { Command } from '@commander-js/extra-typings'
import { listTrustRules, type TrustRule } from '../../../api/trust-rules.js'
import { type Connection, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'

/** Every trust rule. */
export type Output = TrustRule[]

export function addTrustList(parent: Command, context: Context): void {
  const command = describe(parent.command('list'), {
    summary: 'list which jobs may act as which agent',
    examples: [
      ['authsec trust list', 'every rule'],
      [
        'authsec trust list --json >rules.json',
        'for authsec ci oidc --explain --rules, where nobody is logged in',
      ],
    ],
    exits: [0, 2, 4, 5, 7, ...SERVER_EXITS],
    seeAlso: ['authsec trust create'],
  }).option('--json', 'print a JSON array', false)
  addConnectionFlags(command).action(async (flags) =>
    list(context, await openConnection(context, flags), flags.json),
  )
}

async function list({ io }: Context, { target }: Connection, json: boolean): Promise<void> {
  const rules = await listTrustRules(target)
  if (json) io.json<Output>(rules)
  else if (rules.length === 0) io.note('no trust rules')
  else {
    await io.table(
      ['name', 'client id', 'issuer', 'subject', 'claims'],
      rules.map(({ name, client_id, issuer, subject, claims }) => [
        name,
        client_id,
        issuer,
        subject,
        Object.entries(claims)
          .map((entry) => entry.join('='))
          .join(' '),
      ]),
    )
  }
}
