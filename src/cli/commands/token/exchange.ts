import type { Command } from '@commander-js/extra-typings'
import { AuthsecError } from '../../../core/errors.js'
import { CARRIED_TYPES, type CarriedKind, readCarriedToken } from '../../carried-token.js'
import { openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'
import { addCallFlags } from '../../mint-flags.js'
import { exchangeCarried } from '../../minting.js'
import { addDeliveryFlags, type DeliveredToken, deliverToken } from '../../token-delivery.js'

const KINDS = Object.keys(CARRIED_TYPES) as CarriedKind[]

/** The token, or where it was written. */
export type Output = DeliveredToken

export function addExchange(parent: Command, context: Context): void {
  const command = describe(parent.command('exchange'), {
    summary: 'exchange a token that you have for a call token',
    details:
      'For the next hop of a chain, or for a token of a user: the subject is whom the call is for, the actor who makes ' +
      'it (RFC 8693). What comes out is never worth more. Standard output is the token and nothing else.',
    examples: [
      [
        'authsec token exchange --subject session.jwt --audience https://billing.example --permission billing:read',
        'act for a user who has logged in',
      ],
      [
        'authsec token exchange --subject call.jwt --actor base.jwt --client orders-bot --audience https://orders.example',
        'pass a call on to the next agent',
      ],
    ],
    exits: [0, 2, 4, 5, 6, 7, 16, ...SERVER_EXITS],
    seeAlso: ['authsec token mint', 'authsec token decode'],
  })
    .requiredOption(
      '--subject <file>',
      'a file that holds the token of whom it is for, or - for standard input',
    )
    .addOption(
      parent
        .createOption('--subject-kind <kind>', 'what that token is, instead of what it says of itself')
        .choices(KINDS),
    )
    .option('--actor <file>', 'a file that holds the token of who acts, or - for standard input')
    .option('--client <client>', 'who asks, by its UUID or exact name (AUTHSEC_CLIENT_ID)')
    .requiredOption('--audience <uri>', 'the API that shall accept the token')
  addConnectionFlags(addDeliveryFlags(addCallFlags(command))).action(async (flags) => {
    const { subject: source, actor: actorSource, subjectKind, client } = flags
    if (source === '-' && actorSource === '-') {
      throw new AuthsecError('usage', 'standard input cannot be both subject and actor', {
        hint: 'Put one of them into a file.',
      })
    }
    const subject = await readCarriedToken(context.io, source, subjectKind)
    const actor = actorSource === undefined ? undefined : await readCarriedToken(context.io, actorSource)
    const call = {
      audience: flags.audience,
      permissions: flags.permission,
      ttlSeconds: flags.ttl,
      tool: flags.tool,
      args: undefined,
    }
    const connection = await openConnection(context, flags)
    const minted = await exchangeCarried(connection, context.clock, { client, subject, actor, call })
    await deliverToken(context, minted, flags)
  })
}
