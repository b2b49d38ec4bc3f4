import type { Command } from '@commander-js/extra-typings'
import type { User } from '../../../api/users.js'
import type { Context } from '../../context.js'
import { addUserSwitch } from './activate.js'

/** The user as they are now. */
export type Output = User

export function addUserDeactivate(parent: Command, context: Context): void {
  addUserSwitch(parent, context, false, {
    summary: 'keep somebody from logging in and being acted for, until they are activated again',
    details:
      'Their sessions end, and no token is issued for them from then on, whatever they have delegated. What has been ' +
      'issued lives for seconds still.',
    examples: [['authsec user deactivate bob@team.example', 'when bob leaves the team']],
    seeAlso: ['authsec user activate', 'authsec token revoke'],
  })
}
