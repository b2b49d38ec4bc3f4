import type { Command } from '@commander-js/extra-typings'
import { listResources, type Resource } from '../../../api/resources.js'
import { formatWhen } from '../../columns.js'
import { type Connection, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'

/** Every API that accepts tokens. */
export type Output = Resource[]

export function addResourceList(parent: Command, context: Context): void {
  const command = describe(parent.command('list'), {
    summary: 'list the APIs that accept tokens',
    examples: [['authsec resource list', 'every API and what its tokens may carry']],
    exits: [0, 2, 4, 5, ...SERVER_EXITS],
    seeAlso: ['authsec resource create'],
  }).option('--json', 'print a JSON array', false)
  addConnectionFlags(command).action(async (flags) =>
    list(context, await openConnection(context, flags), flags.json),
  )
}

async function list({ io, clock }: Context, { target }: Connection, json: boolean): Promise<void> {
  const resources = await listResources(target)
  if (json) {
    io.json<Output>(resources)
    return
  }
  if (resources.length === 0) {
    io.note('no resources')
    return
  }
  await io.table(
    ['uri', 'permissions', 'created'],
    resources.map(({ uri, permissions, created_at }) => [
      uri,
      permissions.join(', '),
      formatWhen(created_at, clock.now(), io.isTerminal),
    ]),
  )
}
