import type { Command } from '@commander-js/extra-typings'
import { createUser, type User } from '../../../api/users.js'
import { openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags, collect } from '../../flags.js'
import { describe } from '../../help.js'
import { addPasswordFlags, listUserFields, readChosenPassword } from '../../user.js'

/** The user that was added. */
export type Output = User

export function addUserCreate(parent: Command, context: Context): void {
  const command = describe(parent.command('create'), {
    summary: 'add somebody who may log in, and for whom agents may act',
    details: 'Without a password they cannot log in yet; user update gives them one.',
    examples: [
      [
        'authsec user create ci@team.example --role member',
        'somebody for whom agents act, and who never logs in',
      ],
      ['authsec user create bob@team.example --role member --ask-password', 'asks for the password, twice'],
      [
        'pass authsec/bob | authsec user create bob@team.example --role member --password-stdin',
        'in a script',
      ],
    ],
    exits: [0, 2, 4, 5, 7, ...SERVER_EXITS, 130],
    seeAlso: ['authsec user update', 'authsec role list'],
  })
    .argument('<email>', 'their e-mail address, with which they log in')
    .option('--role <role>', 'what they are; repeatable', collect, [])
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(addPasswordFlags(command)).action(async (email, flags) => {
    const { io } = context
    const { target } = await openConnection(context, flags)
    const password = await readChosenPassword(context, flags, email)
    const user = await createUser(target, { email, roles: flags.role, password })
    if (flags.json) io.json<Output>(user)
    else io.record(listUserFields(user))
  })
}
