import type { Command } from '@commander-js/extra-typings'
import { findResource, type Resource } from '../../../api/resources.js'
import { openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'

/** The API. */
export type Output = Resource

export function addResourceShow(parent: Command, context: Context): void {
  const command = describe(parent.command('show'), {
    summary: 'show one API that accepts tokens',
    examples: [['authsec resource show https://billing.example', 'what its tokens may carry']],
    exits: [0, 2, 4, 5, 6, ...SERVER_EXITS],
    seeAlso: ['authsec resource list'],
  })
    .argument('<uri>', 'its address, as it is registered')
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(command).action(async (uri, flags) => {
    const { io } = context
    const { target } = await openConnection(context, flags)
    const resource = await findResource(target, uri)
    if (flags.json) io.json<Output>(resource)
    else io.record(listResourceFields(resource))
  })
}

function listResourceFields(resource: Resource): [name: string, value: string][] {
  const { uri, permissions, created_at, signing_alg, client_id } = resource
  return [
    ['uri', uri],
    ['permissions', permissions.join(', ')],
    ...(typeof signing_alg === 'string' ? [['signed with', signing_alg] as [string, string]] : []),
    ...(typeof client_id === 'string' ? [['run by client', client_id] as [string, string]] : []),
    ['created', created_at ?? ''],
  ]
}
