import type { Command } from '@commander-js/extra-typings'
import { type Delegation, listDelegations } from '../../../api/delegations.js'
import { formatDuration } from '../../../core/duration.js'
import { AuthsecError } from '../../../core/errors.js'
import { toPrintable } from '../../../core/printable.js'
import { findNamedClient } from '../../client-reference.js'
import { formatWhen, keepTold } from '../../columns.js'
import { type Connection, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'

/** The latest delegation of the agent. */
export type Output = Delegation

export function addDelegationShow(parent: Command, context: Context): void {
  const command = describe(parent.command('show'), {
    summary: 'show what an agent may do, for whom and until when',
    examples: [['authsec delegation show demo-agent', 'the delegation that comes with a dev server']],
    exits: [0, 2, 4, 5, 6, 7, ...SERVER_EXITS],
    seeAlso: ['authsec delegation list', 'authsec delegation revoke'],
  })
    .argument('<client>', 'the agent, by its UUID or exact name')
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(command).action(async (reference, flags) =>
    show(context, await openConnection(context, flags), reference, flags.json),
  )
}

async function show(
  { io, clock }: Context,
  connection: Connection,
  reference: string,
  json: boolean,
): Promise<void> {
  const { client_id, name } = await findNamedClient(connection, reference)
  const [delegation] = await listDelegations(connection.target, client_id)
  if (delegation === undefined) {
    throw new AuthsecError('no_delegation', `${toPrintable(name)} has no delegation`, {
      hint: 'Grant one with authsec delegation grant.',
    })
  }
  if (json) io.json<Output>(delegation)
  else io.record(listFields(delegation, (time) => formatWhen(time, clock.now(), io.isTerminal)))
}

function listFields(
  delegation: Delegation,
  formatInstant: (time: string | undefined) => string,
): [name: string, value: string][] {
  const { ttl_seconds } = delegation
  return keepTold([
    ['client id', delegation.client_id],
    ['client', delegation.client_name],
    ['for user', delegation.user_id],
    ['status', delegation.status],
    ['permissions', delegation.permissions.join(', ')],
    ['audience', delegation.audience.join(', ')],
    ['resources', delegation.resources.join(', ')],
    ['policy id', delegation.policy_id],
    ['lifetime', ttl_seconds === undefined ? undefined : formatDuration(ttl_seconds)],
    ['granted', formatInstant(delegation.issued_at)],
    ['expires', formatInstant(delegation.expires_at)],
  ])
}
