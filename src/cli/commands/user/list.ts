import type { Command } from '@commander-js/extra-typings'
import { listUsers, type User } from '../../../api/users.js'
import { openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'
import { tellStanding } from '../../user.js'

/** Everybody, by e-mail address. */
export type Output = User[]

export function addUserList(parent: Command, context: Context): void {
  const command = describe(parent.command('list'), {
    summary: 'list the people and their roles',
    examples: [['authsec user list', 'everybody, and whether they can log in']],
    exits: [0, 2, 4, 5, 7, ...SERVER_EXITS],
    seeAlso: ['authsec user create', 'authsec role list'],
  }).option('--json', 'print a JSON array', false)
  addConnectionFlags(command).action(async (flags) => {
    const { io } = context
    const { target } = await openConnection(context, flags)
    const users = await listUsers(target)
    if (flags.json) io.json<Output>(users)
    else {
      await io.table(
        ['email', 'roles', 'state', 'id'],
        users.map((user) => [user.email, user.roles.join(', '), tellStanding(user), user.id]),
      )
    }
  })
}
