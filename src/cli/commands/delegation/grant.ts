import type { Command } from '@commander-js/extra-typings'
import { type GrantedDelegation, grantDelegation } from '../../../api/delegations.js'
import { AUTHSEC_AUDIENCE } from '../../../core/delegation.js'
import { formatDuration } from '../../../core/duration.js'
import { findDelegate } from '../../client-reference.js'
import { formatWhen } from '../../columns.js'
import { type Connection, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags, collect, parseSeconds } from '../../flags.js'
import { describe } from '../../help.js'

/** The delegation that was granted, without the base token that comes with it. */
export type Output = {
  /** The agent. */
  client_id: string
} & GrantedDelegation

export function addGrant(parent: Command, context: Context): void {
  const command = describe(parent.command('grant'), {
    summary: 'let an agent act for you',
    details:
      'Delegates what a policy allows your role to delegate to this kind of agent. It replaces the live ' +
      'delegation of the agent. The base token that comes with it is not shown: token mint gets it.',
    examples: [
      ['authsec delegation grant billing-bot --ttl 8h', 'everything its policy allows, for a working day'],
      ['authsec delegation grant billing-bot --audience https://billing.example', 'at one API only'],
    ],
    exits: [0, 2, 4, 5, 6, 7, ...SERVER_EXITS],
    seeAlso: ['authsec delegation revoke', 'authsec policy list', 'authsec token mint'],
  })
    .argument('<client>', 'the agent, by its UUID or exact name')
    .option(
      '--audience <uri>',
      'an API the agent may reach, instead of all of the policy; repeatable',
      collect,
      [],
    )
    .option('--ttl <duration>', 'how long the delegation lives', parseSeconds)
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(command).action(async (reference, flags) =>
    grant(context, await openConnection(context, flags), reference, flags.audience, flags.ttl, flags.json),
  )
}

async function grant(
  { io, clock }: Context,
  connection: Connection,
  reference: string,
  audience: readonly string[],
  ttlSeconds: number | undefined,
  json: boolean,
): Promise<void> {
  const { clientId, agentType } = await findDelegate(connection, reference)
  const { token: _secret, ...granted } = await grantDelegation(connection.target, clientId, {
    agentType,
    audience: audience.length > 0 ? audience : [AUTHSEC_AUDIENCE],
    ttlSeconds,
  })
  if (ttlSeconds !== undefined && granted.ttl_seconds !== undefined && granted.ttl_seconds < ttlSeconds) {
    const [lives, asked] = [formatDuration(granted.ttl_seconds), formatDuration(ttlSeconds)]
    io.warn(`the delegation lives ${lives}, not the ${asked} asked for: its policy allows no more`)
  }
  if (json) {
    io.json<Output>({ client_id: clientId, ...granted })
    return
  }
  io.record([
    ['client id', clientId],
    ['permissions', granted.permissions.join(', ')],
    ['audience', granted.audience.join(', ')],
    ['expires', formatWhen(granted.expires_at, clock.now(), io.isTerminal)],
  ])
}
