import type { Command } from '@commander-js/extra-typings'
import { type Role, updateRole } from '../../../api/roles.js'
import { AuthsecError } from '../../../core/errors.js'
import { openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags, collectPermission } from '../../flags.js'
import { describe } from '../../help.js'
import { listRoleFields } from './create.js'

/** The role as it is now. */
export type Output = Role

export function addRoleUpdate(parent: Command, context: Context): void {
  const command = describe(parent.command('update'), {
    summary: 'give a role other permissions',
    details: 'They count from the next pull and exchange on, for whoever has the role.',
    examples: [
      [
        'authsec role update shipper --permission shipping:read',
        'all that its people may do and delegate from now on',
      ],
    ],
    exits: [0, 2, 4, 5, 6, 7, ...SERVER_EXITS],
    seeAlso: ['authsec role list'],
  })
    .argument('<name>', 'its exact name')
    .option(
      '--permission <permission>',
      'what it allows, in the place of what it did; repeatable',
      collectPermission,
      [],
    )
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(command).action(async (name, { permission: permissions, json, ...flags }) => {
    const { io } = context
    if (permissions.length === 0) {
      throw new AuthsecError('usage', 'nothing is given that shall change', { hint: 'Give --permission.' })
    }
    const { target } = await openConnection(context, flags)
    const role = await updateRole(target, { name, permissions })
    if (json) io.json<Output>(role)
    else io.record(listRoleFields(role))
  })
}
