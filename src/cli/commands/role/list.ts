import type { Command } from '@commander-js/extra-typings'
import { listRoles, type Role } from '../../../api/roles.js'
import { openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'

/** Every role, by name. */
export type Output = Role[]

export function addRoleList(parent: Command, context: Context): void {
  const command = describe(parent.command('list'), {
    summary: 'list the roles and what they allow',
    examples: [['authsec role list', 'every role that people may have']],
    exits: [0, 2, 4, 5, 7, ...SERVER_EXITS],
    seeAlso: ['authsec role create', 'authsec user list'],
  }).option('--json', 'print a JSON array', false)
  addConnectionFlags(command).action(async (flags) => {
    const { io } = context
    const { target } = await openConnection(context, flags)
    const roles = await listRoles(target)
    if (flags.json) io.json<Output>(roles)
    else {
      await io.table(
        ['name', 'permissions'],
        roles.map(({ name, permissions }) => [name, permissions.join(', ')]),
      )
    }
  })
}
