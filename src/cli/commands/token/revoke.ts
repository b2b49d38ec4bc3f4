import type { Command } from '@commander-js/extra-typings'
import { revokeAnyToken, revokeToken, revokeTokenById } from '../../../api/tokens.js'
import { AuthsecError } from '../../../core/errors.js'
import { peekClaims } from '../../../core/jwt.js'
import { toPrintable } from '../../../core/printable.js'
import { addConfirmFlags, assertConfirmable, type ConfirmFlags, type DryRun } from '../../confirmation.js'
import { type ConnectionFlags, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'
import { readTokenInput } from '../../token-input.js'
import { REVOCATION, type RevokedDelegation, revokeByClient } from '../delegation/revoke.js'
import { assertToken } from './introspect.js'

interface RevokeFlags extends ConnectionFlags, ConfirmFlags {
  jti?: string | undefined
  client?: string | undefined
}

/** What was revoked; with --client as `authsec delegation revoke` prints it. */
export type Output = RevokedToken | RevokedDelegation | DryRun

interface RevokedToken {
  status: 'revoked'
  /** With --jti. */
  jti?: string
}

export function addTokenRevoke(parent: Command, context: Context): void {
  const command = describe(parent.command('revoke'), {
    summary: 'end a token, and what descends from it, at once',
    details:
      'A token that is at hand, one known by its id, or everything of an agent. The server says nothing about tokens ' +
      'it does not know. An API that verifies offline goes on accepting a call token to its end, at most five minutes.',
    examples: [
      ['authsec token revoke leaked.jwt', 'one that has leaked'],
      ['authsec token revoke --jti 0c1d7f6e-7b57-4f7f-8f3f-6f1f6a9f0b11', 'one that the audit log names'],
      ['authsec token revoke --client billing-bot --confirm billing-bot', 'all that an agent has'],
    ],
    exits: [0, 2, 4, 5, 6, 7, 16, ...SERVER_EXITS, 130],
    seeAlso: ['authsec delegation revoke', 'authsec token introspect', 'authsec audit search'],
  })
    .argument('[file]', 'a file that holds the token, or - for standard input')
    .addOption(parent.createOption('--jti <id>', 'the id of the token instead').conflicts('client'))
    .option('--client <client>', 'an agent, by its UUID or exact name: its delegation ends')
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(addConfirmFlags(command, 'the name of the client, with --client')).action(
    async (source, flags) => {
      assertOneTarget(source, flags)
      if (flags.client !== undefined) {
        assertConfirmable(context, flags, REVOCATION)
        await revokeByClient(context, await openConnection(context, flags), flags.client, flags)
      } else if (flags.jti !== undefined) {
        await revokeId(context, flags.jti, flags)
      } else {
        const { token } = await readTokenInput(context.io, source ?? '-')
        assertToken(token)
        await revokeGiven(context, token, flags)
      }
    },
  )
}

async function revokeGiven(context: Context, token: string, flags: RevokeFlags): Promise<void> {
  const connection = await openConnection(context, flags)
  const { target } = connection
  // Where no session proves who asks, it is the client that the token names; the server checks that.
  const clientId = readClient(token) ?? connection.clientId
  if (target.session !== undefined || clientId === undefined) await revokeAnyToken(target, token)
  else await revokeToken(target, { token, clientId })
  tell(context, flags, 'the token is revoked, if the server knows it', {})
}

async function revokeId(context: Context, jti: string, flags: RevokeFlags): Promise<void> {
  const { target } = await openConnection(context, flags)
  await revokeTokenById(target, jti)
  tell(context, flags, `no token of the id ${toPrintable(jti)} is alive any more`, { jti })
}

function tell({ io }: Context, { json }: RevokeFlags, text: string, more: { jti?: string }): void {
  if (json) io.json<Output>({ status: 'revoked', ...more })
  else io.note(text)
}

function assertOneTarget(source: string | undefined, { jti, client, dryRun, confirm }: RevokeFlags): void {
  if (source !== undefined && (jti !== undefined || client !== undefined)) {
    throw new AuthsecError('usage', 'a token is given together with --jti or --client', {
      hint: 'Give the token, its id, or the client.',
    })
  }
  if (client === undefined && (dryRun || confirm !== undefined)) {
    throw new AuthsecError('usage', '--dry-run and --confirm are for --client', {
      hint: 'One token stops working, and what was made from it; nothing else.',
    })
  }
}

function readClient(token: string): string | undefined {
  const { client_id } = peekClaims(token)
  return typeof client_id === 'string' ? client_id : undefined
}
