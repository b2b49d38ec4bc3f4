import type { Command } from '@commander-js/extra-typings'
import { type Client, type ClientRegistration, registerClient } from '../../../api/clients.js'
import { AuthsecError } from '../../../core/errors.js'
import { quote } from '../../../core/printable.js'
import { type Connection, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags, collect } from '../../flags.js'
import { describe } from '../../help.js'

export function addRegister(parent: Command, context: Context): void {
  const command = describe(parent.command('register'), {
    summary: 'register an application or an agent',
    examples: [
      [
        'authsec client register billing-bot --type ai_agent --agent-type langchain',
        'an agent that can be delegated to',
      ],
      [
        'id=$(authsec client register billing-bot --type ai_agent --agent-type langchain --json | jq -r .client_id)',
        'keep its id in a script',
      ],
    ],
    exits: [0, 2, 4, 5, 7, ...SERVER_EXITS],
    seeAlso: ['authsec policy create', 'authsec delegation grant'],
  })
    .argument('<name>', 'what the client is called')
    .addOption(
      parent
        .createOption('--type <type>', 'the kind of client')
        .choices(['ai_agent', 'application'] as const)
        .default('application' as const),
    )
    .option('--agent-type <type>', 'the kind of agent, which a policy names; for example langchain')
    .addOption(
      parent
        .createOption('--platform <platform>', 'where the agent runs')
        .choices(['kubernetes', 'docker', 'unix'] as const),
    )
    .option('--selector <key=value>', 'what identifies the agent on its platform; repeatable', collect, [])
    .option('--email <email>', 'whom to write to about the client')
    .option('--json', 'print one JSON object', false)
  addConnectionFlags(command).action(async (name, flags) => {
    const { type, agentType, platform, email = makeUpEmail(name) } = flags
    if (type !== 'ai_agent' && agentType !== undefined) {
      throw new AuthsecError('usage', `a client of type ${type} has no agent type`, {
        hint: 'Add --type ai_agent to register an agent.',
      })
    }
    const selectors = readSelectors(flags.selector)
    const registration = { name, email, type, agentType, platform, selectors }
    await register(context, await openConnection(context, flags), registration, flags.json)
  })
}

async function register(
  { io }: Context,
  connection: Connection,
  registration: ClientRegistration,
  json: boolean,
): Promise<void> {
  const client = await registerClient(connection.target, await connection.findTenant(), registration)
  if (json) io.json(client)
  else io.record(listClientFields({ client_type: registration.type, ...client }))
}

/** The fields of a client that matter to a person. */
export function listClientFields(client: Client): [name: string, value: string][] {
  const fields: [string, string | undefined][] = [
    ['client id', client.client_id],
    ['name', client.name],
    ['type', client.client_type],
    ['agent type', client.agent_type],
    ['SPIFFE id', client.spiffe_id],
    ['email', client.email],
  ]
  return fields.filter((field): field is [string, string] => field[1] !== undefined && field[1] !== '')
}

function readSelectors(pairs: readonly string[]): Record<string, string> | undefined {
  if (pairs.length === 0) return undefined
  const entries = pairs.map((pair) => {
    const [, key, value] = /^([^=]+)=(.+)$/s.exec(pair) ?? []
    if (key === undefined || value === undefined) {
      throw new AuthsecError('usage', `${quote(pair)} is not a selector`, {
        hint: 'Write a selector as key=value, for example k8s:ns=billing.',
      })
    }
    return [key, value]
  })
  return Object.fromEntries(entries)
}

// AuthSec wants an address; .invalid is the domain that reaches nobody (RFC 2606 §2).
function makeUpEmail(name: string): string {
  const local = name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 64)
  return `${local || 'client'}@authsec.invalid`
}
