import type { Command } from '@commander-js/extra-typings'
import { createRole, type Role } from '../../../api/roles.js'
import { openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags, collectPermission } from '../../flags.js'
import { describe } from '../../help.js'

/** The role that was made. */
export type Output = Role

export function addRoleCreate(parent: Command, context: Context): void {
  const command = describe(parent.command('create'), {
    summary: 'make a role: what people who have it may do and delegate',
    details: 'Whoever has admin:access administers the server.',
    examples: [
      [
        'authsec role create shipper --permission shipping:read --permission orders:read',
        'what they may delegate, as far as a policy lets them',
      ],
    ],
    exits: [0, 2, 4, 5, 7, ...SERVER_EXITS],
    seeAlso: ['authsec user create', 'authsec policy create'],
  })
    .argument('<name>', 'what it is called, as policies name it')
    .option('--permission <permission>', 'what it allows; repeatable', collectPermission, [])
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(command).action(async (name, flags) => {
    const { io } = context
    const { target } = await openConnection(context, flags)
    const role = await createRole(target, { name, permissions: flags.permission })
    if (flags.json) io.json<Output>(role)
    else io.record(listRoleFields(role))
  })
}

/** The fields of a role, for people. */
export function listRoleFields({ name, permissions }: Role): [name: string, value: string][] {
  return [
    ['name', name],
    ['permissions', permissions.join(', ')],
  ]
}
