import type { Command } from '@commander-js/extra-typings'
import { type User, updateUser } from '../../../api/users.js'
import { toPrintable } from '../../../core/printable.js'
import { openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe, type HelpNotes } from '../../help.js'
import { findNamedUser } from '../../user.js'

/** The user as they are now. */
export type Output = User

export function addUserActivate(parent: Command, context: Context): void {
  addUserSwitch(parent, context, true, {
    summary: 'let somebody log in and be acted for again',
    examples: [['authsec user activate bob@team.example', 'with the roles and the password from before']],
    seeAlso: ['authsec user deactivate'],
  })
}

/** Adds the command that lets somebody in or keeps them out. */
export function addUserSwitch(parent: Command, context: Context, active: boolean, notes: HelpNotes): void {
  const command = describe(parent.command(active ? 'activate' : 'deactivate'), {
    ...notes,
    exits: [0, 2, 4, 5, 6, 7, ...SERVER_EXITS],
  })
    .argument('<user>', 'their e-mail address or their UUID')
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(command).action(async (reference, flags) => {
    const { io } = context
    const { target } = await openConnection(context, flags)
    const { id } = await findNamedUser(target, reference)
    const user = await updateUser(target, id, { active })
    if (flags.json) io.json<Output>(user)
    else io.note(`${toPrintable(user.email)} (${id}) ${active ? 'may act' : 'may not act'}`)
  })
}
