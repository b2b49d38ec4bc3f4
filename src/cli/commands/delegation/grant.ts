import type { Command } from '@commander-js/extra-typings'
import { type GrantedDelegation, grantDelegation } from '../../../api/delegations.js'
import { AUTHSEC_AUDIENCE } from '../../../core/delegation.js'
import { formatDuration } from '../../../core/duration.js'
import { findDelegate } from '../../client-reference.js'
import { formatWhen } from '../../columns.js'
import { type Connection, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { createEach, readRequested } from '../../declaration.js'
import { DELEGATIONS, type GrantRequest } from '../../delegation-declaration.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags, collect, parseSeconds } from '../../flags.js'
import { describe } from '../../help.js'

/** The delegation that was granted, without the base token that comes with it. */
type Granted = {
  /** The agent. */
  client_id: string
} & GrantedDelegation

/** The delegation that was granted; of several declared with --file, all of them in that order. */
export type Output = Granted | Granted[]

export function addGrant(parent: Command, context: Context): void {
  const command = describe(parent.command('grant'), {
    summary: 'let an agent act for you',
    details:
      'Delegates what a policy allows your role to delegate to this kind of agent. It replaces the live ' +
      'delegation of the agent. The base token that comes with it is not shown: token mint gets it. ' +
      'At a terminal it lets you choose the agent where none is given.',
    examples: [
      ['authsec delegation grant billing-bot --ttl 8h', 'everything its policy allows, for a working day'],
      ['authsec delegation grant billing-bot --audience https://billing.example', 'at one API only'],
      ['authsec delegation grant --file delegations.json', 'delegations that are declared in a file'],
    ],
    exits: [0, 2, 4, 5, 6, 7, ...SERVER_EXITS, 130],
    seeAlso: ['authsec delegation revoke', 'authsec policy list', 'authsec token mint'],
  })
    .argument('[client]', 'the agent, by its UUID or exact name')
    .option(
      '--audience <uri>',
      'an API the agent may reach, instead of all of the policy; repeatable',
      collect,
      [],
    )
    .option('--ttl <duration>', 'how long the delegation lives', parseSeconds)
    .addOption(
      parent
        .createOption('--file <file>', 'delegations as JSON instead, one or a list; - for standard input')
        .conflicts(['audience', 'ttl']),
    )
    .option('--json', 'print one JSON object; of several declared, a list', false)
  addConnectionFlags(command).action(async (reference, flags) => {
    const { io } = context
    const { audience, ttl: ttlSeconds, file, json } = flags
    const given = await readRequested(io, DELEGATIONS, file, {
      what: 'a client',
      given: reference,
      read: (reference) => ({ reference, audience, ttlSeconds }),
      usage: 'authsec delegation grant CLIENT',
    })
    const connection = await openConnection(context, flags)
    const declared = given ?? [await interview(context, connection, { audience, ttlSeconds })]
    const granted = await createEach(
      { io, json },
      declared,
      (request) => grant(context, connection, request),
      (one) => describeGranted(context, one),
    )
    if (json) io.json<Output>(granted)
  })
}

async function interview(
  context: Context,
  connection: Connection,
  known: Omit<GrantRequest, 'reference'>,
): Promise<GrantRequest> {
  const { interviewForGrant } = await import('../../grant-interview.js')
  return await interviewForGrant(context, connection, known)
}

async function grant(
  { io }: Context,
  connection: Connection,
  { reference, audience, ttlSeconds }: GrantRequest,
): Promise<Granted> {
  const { clientId, agentType } = await findDelegate(connection, reference)
  const { token: _secret, ...granted } = await grantDelegation(connection.target, clientId, {
    agentType,
    audience: audience.length > 0 ? audience : [AUTHSEC_AUDIENCE],
    ttlSeconds,
  })
  if (ttlSeconds !== undefined && granted.ttl_seconds !== undefined && granted.ttl_seconds < ttlSeconds) {
    const [lives, asked] = [formatDuration(granted.ttl_seconds), formatDuration(ttlSeconds)]
    io.warn(`the delegation lives ${lives}, not the ${asked} asked for: its policy allows no more`)
  }
  return { client_id: clientId, ...granted }
}

function describeGranted(
  { io, clock }: Context,
  { client_id, permissions, audience, expires_at }: Granted,
): [name: string, value: string][] {
  return [
    ['client id', client_id],
    ['permissions', permissions.join(', ')],
    ['audience', audience.join(', ')],
    ['expires', formatWhen(expires_at, clock.now(), io.isTerminal)],
  ]
}
