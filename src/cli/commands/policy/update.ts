import type { Command } from '@commander-js/extra-typings'
import { type Policy, type PolicyPatch, updatePolicy } from '../../../api/policies.js'
import { AuthsecError } from '../../../core/errors.js'
import { findClientId } from '../../client-reference.js'
import { type Connection, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags, collect, collectPermission, parseSeconds } from '../../flags.js'
import { describe } from '../../help.js'
import { describePolicy } from './list.js'

/** The policy as it is now. */
export type Output = Policy

export function addPolicyUpdate(parent: Command, context: Context): void {
  const command = describe(parent.command('update'), {
    summary: 'change a policy',
    details:
      'What is left out stays; a list takes the place of the one that was there. It decides the next exchange already, ' +
      'also of delegations that are live.',
    examples: [
      [
        'authsec policy update 3f8e1f0c-2f3f-4d0e-9d0a-8f4f0f6a1c22 --max-ttl 1h',
        'shorter delegations from now on',
      ],
      ['authsec policy update 3f8e1f0c-2f3f-4d0e-9d0a-8f4f0f6a1c22 --disable', 'let nobody delegate by it'],
    ],
    exits: [0, 2, 4, 5, 6, 7, ...SERVER_EXITS],
    seeAlso: ['authsec policy show', 'authsec policy delete'],
  })
    .argument('<policy>', 'its UUID')
    .option('--role <role>', 'the role of the people who may delegate')
    .option('--agent-type <type>', 'the kind of agent they may delegate to')
    .option('--permission <permission>', 'what they may delegate; repeatable', collectPermission, [])
    .option('--resource <uri>', 'the API where it holds; repeatable', collect, [])
    .option('--max-ttl <duration>', 'how long a delegation lives at most', parseSeconds)
    .addOption(
      parent
        .createOption('--client <client>', 'only this client, by its UUID or exact name')
        .conflicts('anyClient'),
    )
    .option('--any-client', 'every client of the agent type again', false)
    .addOption(parent.createOption('--enable', 'give it effect').default(false).conflicts('disable'))
    .option('--disable', 'take its effect', false)
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(command).action(async (id, flags) => {
    const { role, agentType, permission, resource, maxTtl, client, anyClient, enable, disable } = flags
    const patch: PolicyPatch = {
      role,
      agentType,
      maxTtlSeconds: maxTtl,
      ...(permission.length > 0 && { permissions: permission }),
      ...(resource.length > 0 && { resources: resource }),
      ...((enable || disable) && { enabled: enable }),
      ...(anyClient && { clientId: '' }),
    }
    if (client === undefined && Object.values(patch).every((value) => value === undefined)) {
      throw new AuthsecError('usage', 'nothing is given that shall change', {
        hint: 'See authsec policy update --help for what can.',
      })
    }
    const connection = await openConnection(context, flags)
    const clientId = client === undefined ? patch.clientId : await findClientId(connection, client)
    await update(context, connection, id, { ...patch, clientId }, flags.json)
  })
}

async function update(
  { io }: Context,
  { target }: Connection,
  id: string,
  patch: PolicyPatch,
  json: boolean,
): Promise<void> {
  const policy = await updatePolicy(target, id, patch)
  if (json) io.json<Output>(policy)
  else io.record(describePolicy(policy))
}
