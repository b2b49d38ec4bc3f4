import type { Command } from '@commander-js/extra-typings'
import type { Client } from '../../../api/clients.js'
import type { Context } from '../../context.js'
import { addSwitch } from './activate.js'

/** The client as it is now. */
export type Output = Client

export function addDeactivate(parent: Command, context: Context): void {
  addSwitch(parent, context, false, {
    summary: 'keep a client from acting, until it is activated again',
    details:
      'Nothing is lost: its delegation and the policies for it stay. On AuthSec servers before 2026-10 a token that it ' +
      'has pulled already goes on being accepted; delegation revoke ends it there too, for the next pull.',
    examples: [['authsec client deactivate billing-bot', 'no token is issued to it from now on']],
    seeAlso: ['authsec client activate', 'authsec delegation revoke'],
  })
}
