import type { Command } from '@commander-js/extra-typings'
import { type Client, type ClientRegistration, registerClient } from '../../../api/clients.js'
import { AuthsecError } from '../../../core/errors.js'
import { quote, toPrintable } from '../../../core/printable.js'
import { CLIENTS, makeUpEmail } from '../../client-declaration.js'
import { keepTold } from '../../columns.js'
import { type Connection, type ConnectionFlags, openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { createEach, readRequested } from '../../declaration.js'
import { AUTH_METHODS, type DynamicRegistration } from '../../dynamic-registration.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags, collect, collectPermission } from '../../flags.js'
import { describe } from '../../help.js'

interface RegisterFlags extends ConnectionFlags {
  type?: 'ai_agent' | 'application' | undefined
  agentType?: string | undefined
  platform?: 'kubernetes' | 'docker' | 'unix' | undefined
  selector: readonly string[]
  email?: string | undefined
  file?: string | undefined
  dynamic: boolean
  authMethod?: (typeof AUTH_METHODS)[number] | undefined
  jwks?: string | undefined
  grantType: readonly string[]
  permission: readonly string[]
  secretOut?: string | undefined
  json: boolean
}

/** The client that was registered; of several declared with --file, all of them in that order. */
export type Output = Client | Client[] | DynamicRegistration

export function addRegister(parent: Command, context: Context): void {
  const command = describe(parent.command('register'), {
    summary: 'register an application or an agent',
    details:
      'On a terminal it asks for what no flag says, and offers a policy where there is none for this kind of agent. ' +
      'With --file clients are declared as JSON, one or a list. With --dynamic the client registers by RFC 7591, with ' +
      'a secret or a key of its own.',
    examples: [
      ['authsec client register', 'asks for everything'],
      [
        'authsec client register billing-bot --type ai_agent --agent-type langchain',
        'an agent that can be delegated to',
      ],
      [
        'id=$(authsec client register billing-bot --type ai_agent --agent-type langchain --json | jq -r .client_id)',
        'keep its id in a script',
      ],
      ['authsec client register --file clients.json', 'clients that are declared in a file'],
      [
        'authsec client register billing-app --dynamic --auth-method client_secret_basic --grant-type client_credentials --permission billing:read --secret-out app.json',
        'an application with a secret, which lies in a file only',
      ],
    ],
    exits: [0, 2, 4, 5, 6, 7, ...SERVER_EXITS, 130],
    seeAlso: ['authsec policy create', 'authsec delegation grant', 'authsec client rotate'],
  })
    .argument('[name]', 'what the client is called')
    .addOption(
      parent
        .createOption('--type <type>', 'the kind of client; application unless an agent type is given')
        .choices(['ai_agent', 'application'] as const),
    )
    .option('--agent-type <type>', 'the kind of agent, which a policy names; for example langchain')
    .addOption(
      parent
        .createOption('--platform <platform>', 'where the agent runs')
        .choices(['kubernetes', 'docker', 'unix'] as const),
    )
    .option('--selector <key=value>', 'what identifies the agent on its platform; repeatable', collect, [])
    .option('--email <email>', 'whom to write to about the client')
    .addOption(
      parent
        .createOption('--file <file>', 'clients as JSON, or - for standard input')
        .conflicts(['type', 'agentType', 'platform', 'selector', 'email', 'dynamic']),
    )
    .addOption(
      parent
        .createOption('--dynamic', 'register by RFC 7591')
        .default(false)
        // It has no word for these, and would pass over them.
        .conflicts(['platform', 'selector', 'email']),
    )
    .addOption(
      parent
        .createOption('--auth-method <method>', 'how it proves itself, with --dynamic')
        .choices(AUTH_METHODS),
    )
    .option('--jwks <file>', 'its public keys, with --dynamic')
    .option('--grant-type <type>', 'what it may ask tokens by, with --dynamic; repeatable', collect, [])
    .option(
      '--permission <permission>',
      'what it may have for itself, with --dynamic; repeatable',
      collectPermission,
      [],
    )
    .option('--secret-out <file>', 'write the registration to a file that only you can read, with --dynamic')
    .option('--json', 'print one JSON object, of a list an array', false)
  addConnectionFlags(command).action(async (name, flags) => {
    assertTogether(flags)
    if (flags.dynamic) return registerDynamic(context, name, flags)
    const requested = await readRequested(context.io, CLIENTS, flags.file, {
      what: 'a name',
      given: name,
      read: (name) => readRegistration(name, flags),
      usage: 'authsec client register NAME',
    })
    if (requested === undefined) await registerInterviewed(context, flags)
    else await registerEach(context, requested, flags)
  })
}

/** The fields of a client that matter to a person. */
export function listClientFields(client: Client): [name: string, value: string][] {
  return keepTold([
    ['client id', client.client_id],
    ['name', client.name],
    ['type', client.client_type],
    ['agent type', client.agent_type],
    ['SPIFFE id', client.spiffe_id],
    ['email', client.email],
    ['proves itself by', client.token_endpoint_auth_method],
  ])
}

async function registerEach(
  context: Context,
  requested: readonly ClientRegistration[],
  flags: RegisterFlags,
): Promise<void> {
  const { io } = context
  const { json } = flags
  const connection = await openConnection(context, flags)
  const create = (registration: ClientRegistration) => register(context, connection, registration)
  const clients = await createEach({ io, json }, requested, create, listClientFields)
  if (json) io.json<Output>(clients)
}

async function registerInterviewed(context: Context, flags: RegisterFlags): Promise<void> {
  const { io } = context
  const connection = await openConnection(context, flags)
  const registration = await interview(context, connection, flags)
  const client = await register(context, connection, registration)
  if (flags.json) io.json<Output>(client)
  else io.record(listClientFields(client))
  if (registration.agentType === undefined) return
  const { interviewForPolicy } = await import('../../client-interview.js')
  const policy = await interviewForPolicy(context, connection, client, registration.agentType)
  if (policy !== undefined) io.note(`made policy ${policy.id}: authsec delegation grant ${client.client_id}`)
}

async function interview(
  context: Context,
  connection: Connection,
  flags: RegisterFlags,
): Promise<ClientRegistration> {
  const { interviewForClient } = await import('../../client-interview.js')
  const { type, agentType, platform, email, selector } = flags
  const known = {
    type: type ?? (agentType === undefined ? undefined : 'ai_agent'),
    agentType,
    platform,
    email,
    selectors: readSelectors(selector),
  }
  return await interviewForClient(context, connection, known)
}

async function registerDynamic(
  context: Context,
  name: string | undefined,
  flags: RegisterFlags,
): Promise<void> {
  if (name === undefined)
    throw new AuthsecError('usage', 'no name is given', { hint: 'Give the client a name.' })
  const { registerByItself } = await import('../../dynamic-registration.js')
  const { agentType, authMethod, jwks, grantType: grantTypes, permission: permissions } = flags
  const isAgent = readType(flags) === 'ai_agent'
  const terms = { name, agentType, isAgent, authMethod, jwks, grantTypes, permissions }
  const connection = await openConnection(context, flags)
  await registerByItself(context, connection, terms, { secretOut: flags.secretOut, json: flags.json })
}

async function register(
  { io }: Context,
  connection: Connection,
  registration: ClientRegistration,
): Promise<Client> {
  const tenant = await connection.findTenant()
  const { client, warnings } = await registerClient(connection.target, tenant, registration)
  for (const warning of warnings) io.warn(toPrintable(warning))
  const { type, agentType } = registration
  // What the answer leaves out of what was asked for.
  return { client_type: type, ...(agentType !== undefined && { agent_type: agentType }), ...client }
}

function readRegistration(name: string, flags: RegisterFlags): ClientRegistration {
  const { agentType, platform, selector, email = makeUpEmail(name) } = flags
  return { name, email, type: readType(flags), agentType, platform, selectors: readSelectors(selector) }
}

function readType({ agentType, type = agentType === undefined ? 'application' : 'ai_agent' }: RegisterFlags) {
  if (type !== 'ai_agent' && agentType !== undefined) {
    throw new AuthsecError('usage', `a client of type ${type} has no agent type`, {
      hint: 'Add --type ai_agent to register an agent.',
    })
  }
  return type
}

function assertTogether(flags: RegisterFlags): void {
  const { dynamic, authMethod, jwks, grantType, permission, secretOut } = flags
  const isDynamic =
    [authMethod, jwks, secretOut].some(Boolean) || grantType.length > 0 || permission.length > 0
  if (isDynamic && !dynamic) {
    throw new AuthsecError(
      'usage',
      'only a client that registers with --dynamic has credentials of its own',
      {
        hint: 'Add --dynamic.',
      },
    )
  }
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
