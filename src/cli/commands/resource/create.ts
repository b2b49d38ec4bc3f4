import type { Command } from '@commander-js/extra-typings'
import { createResource, type Resource } from '../../../api/resources.js'
import { type Connection, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags, collectPermission } from '../../flags.js'
import { describe } from '../../help.js'

/** The API that was registered. */
export type Output = Resource

export function addResourceCreate(parent: Command, context: Context): void {
  const command = describe(parent.command('create'), {
    summary: 'register an API that accepts tokens',
    examples: [
      [
        'authsec resource create https://shipping.example --permission shipping:read',
        'an API whose tokens may carry one permission',
      ],
    ],
    exits: [0, 2, 4, 5, 7, ...SERVER_EXITS],
    seeAlso: ['authsec resource list', 'authsec policy create'],
  })
    .argument('<uri>', 'the absolute address that names the API, as its tokens carry it in aud')
    .option('--permission <permission>', 'what its tokens may carry; repeatable', collectPermission, [])
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(command).action(async (uri, flags) =>
    create(context, await openConnection(context, flags), uri, flags.permission, flags.json),
  )
}

async function create(
  { io }: Context,
  { target }: Connection,
  uri: string,
  permissions: readonly string[],
  json: boolean,
): Promise<void> {
  const resource = await createResource(target, uri, permissions)
  if (json) {
    io.json<Output>(resource)
    return
  }
  io.record([
    ['uri', resource.uri],
    ['permissions', resource.permissions.join(', ')],
  ])
}
