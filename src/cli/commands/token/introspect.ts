import type { Command } from '@commander-js/extra-typings'
import { type Introspection, introspectToken } from '../../../api/tokens.js'
import { AuthsecError } from '../../../core/errors.js'
import { formatMembers } from '../../claims-text.js'
import { type Connection, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags } from '../../flags.js'
import { describe } from '../../help.js'
import { readTokenInput } from '../../token-input.js'

/** What the server says of the token, as it says it; it is printed also for a token that is not alive. */
export type Output = Introspection

export function addIntrospect(parent: Command, context: Context): void {
  const command = describe(parent.command('introspect'), {
    summary: 'ask the server what a token is worth now',
    details:
      'A token may be revoked long before it expires, and worth less than it says: the server knows. Needs an admin ' +
      'session. The token is sent to the server that is in use, and to no other.',
    examples: [['authsec token introspect token.jwt', 'is it alive, and what may it do?']],
    exits: [0, 2, 4, 5, 6, 7, 15, 16, ...SERVER_EXITS],
    seeAlso: ['authsec token verify', 'authsec token revoke'],
  })
    .argument('[file]', 'a file that holds the token, or - for standard input', '-')
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(command).action(async (source, flags) => {
    const { token } = await readTokenInput(context.io, source)
    assertToken(token)
    await introspect(context, await openConnection(context, flags), token, flags.json)
  })
}

async function introspect(
  { io, clock }: Context,
  { target }: Connection,
  token: string,
  json: boolean,
): Promise<void> {
  const answer: Introspection = await introspectToken(target, token)
  if (json) io.json<Output>(answer)
  else {
    const { active, ...members } = answer
    io.record([['active', active ? 'yes' : 'no'], ...formatMembers(members, clock.now())])
  }
  if (!answer.active) {
    throw new AuthsecError('token_inactive', 'the token is not alive', {
      hint: 'It has expired, was revoked or replaced, or is none of this server.',
    })
  }
}

/** Throws `token_malformed` for what is no token at all, before it is sent anywhere. */
export function assertToken(token: string): void {
  if (/^[\w.~+/-]+=*$/.test(token)) return
  throw new AuthsecError('token_malformed', token === '' ? 'the token is empty' : 'that is not a token', {
    hint: 'Check that all of the token was copied, and nothing else.',
  })
}
