import type { Command } from '@commander-js/extra-typings'
import { type User, updateUser } from '../../../api/users.js'
import { AuthsecError } from '../../../core/errors.js'
import { openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags, collect } from '../../flags.js'
import { describe } from '../../help.js'
import { addPasswordFlags, findNamedUser, listUserFields, readChosenPassword } from '../../user.js'

/** The user as they are now. */
export type Output = User

export function addUserUpdate(parent: Command, context: Context): void {
  const command = describe(parent.command('update'), {
    summary: 'give somebody other roles or another password',
    details:
      'Other roles count from the next pull and exchange on. Another password ends every session of theirs, but the one ' +
      'that sets it, and lets them in again where too many failures have kept them out.',
    examples: [
      [
        'authsec user update bob@team.example --role member --role shipper',
        'the roles that bob has from now on',
      ],
      ['authsec user update bob@team.example --ask-password', 'when bob has forgotten it'],
    ],
    exits: [0, 2, 4, 5, 6, 7, ...SERVER_EXITS, 130],
    seeAlso: ['authsec user list', 'authsec user deactivate', 'authsec role list'],
  })
    .argument('<user>', 'their e-mail address or their UUID')
    .option('--role <role>', 'what they are, in the place of what they were; repeatable', collect, [])
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(addPasswordFlags(command)).action(async (reference, flags) => {
    const { io } = context
    const roles = flags.role.length > 0 ? flags.role : undefined
    if (roles === undefined && !flags.passwordStdin && !flags.askPassword) {
      throw new AuthsecError('usage', 'nothing is given that shall change', {
        hint: 'Give --role, --ask-password or --password-stdin.',
      })
    }
    const { target } = await openConnection(context, flags)
    const { id, email } = await findNamedUser(target, reference)
    const password = await readChosenPassword(context, flags, email)
    const user = await updateUser(target, id, { roles, password })
    if (flags.json) io.json<Output>(user)
    else io.record(listUserFields(user))
  })
}
