import type { Command } from '@commander-js/extra-typings'
import { AUDIT_FILTER_FIELDS, AUDIT_FILTER_SYNTAX } from '../../core/audit-filter.js'
import { AuthsecError } from '../../core/errors.js'
import { quote } from '../../core/printable.js'
import { alignPairs, wrapWords } from '../columns.js'
import type { Context } from '../context.js'
import { ENVIRONMENT_MEANINGS } from '../context.js'
import { EXIT_MEANINGS } from '../exit-codes.js'
import { type AnyCommand, type CommandHelp, describe, pathOf } from '../help.js'

/** A command and all below it, or what a topic explains: each word with its meaning. */
export type Output = CommandHelp | Readonly<Record<string, string>>

interface Topic {
  summary: string
  entries: Readonly<Record<string, string>>
}

/** What a seed file holds, for the help. */
const SEED_MEANINGS = {
  tenant_id: 'UUID of the tenant; random when left out',
  roles:
    '{"<name>": ["<resource>:<action>", …]}; one of them has admin:access, unless dev init names an admin',
  users:
    '[{email, roles, password_file?}]; that file, named from where the seed lies, holds the first password in one line and is yours alone (chmod 600); who has none cannot log in to a shared server',
  resources: '[{uri, permissions}]: the APIs',
  clients:
    '[{name, email?, client_type?, agent_type?, platform?, selectors?, jwks?}]; an agent is an ai_agent; jwks holds the public keys that it proves itself by (private_key_jwt)',
  policies: '[{role_name, agent_type, allowed_permissions, resources, max_ttl_seconds?, enabled?, client?}]',
  delegations:
    '[{client, user, audience?, ttl_seconds?}]; the first names the client of the profile, so dev serve needs one; a shared server none',
} as const

/** What the address of a database says beyond where it is, for the help. */
const STORE_MEANINGS = {
  sslmode:
    'disable, require (encrypted, and whoever answers is believed), verify-ca (an authority vouches for it) or verify-full (for its name too); default verify-full, and disable for localhost, 127.0.0.1, ::1 and a socket',
  sslrootcert: 'PEM file of the authority that vouches for the database; default: those that Node believes',
  sslcert: 'PEM file of the certificate by which the server proves itself to the database',
  sslkey: 'PEM file of the private key of that',
  schema: 'the schema that holds the tables, which is there already; default: the search_path of the user',
  pool_size: 'how many connections each server has at most, 2 to 1000; default 10',
  connect_timeout: 'seconds that a connection may take to come about, 1 to 600; default 5',
  statement_timeout:
    'milliseconds that a statement may take, waiting for other servers included, 100 to 600000; default 10000',
  host: 'the directory of a socket, in the place of the host',
  application_name: 'what the database calls the connections; default authsec',
} as const

/** How output is shaped, for the help. */
const FORMATTING_MEANINGS = {
  terminal: 'tables with titles, colours, times as distances; cut to the width of the terminal',
  pipe: 'the same without colour: tab-separated, no titles, times in RFC 3339 and UTC; never JSON unasked',
  '--json':
    'one JSON object or array; streams print JSON Lines, each with a type (audit tail: a kind). Errors are {"error": {...}} on standard error',
  '--fields a,b.c': 'only these members, of an object or of each object of an array; implies --json',
  "--jq '.[].name'":
    'what a filter in the language of jq makes of it; texts stand without quotes; implies --json',
  '--quiet': 'nothing on standard error but warnings and errors',
  '--color, NO_COLOR, FORCE_COLOR':
    'whether there is colour; the first that is given decides. Nothing is told by colour alone',
  'ACCESSIBLE=1': 'nothing is drawn: tables become lists, choices have numbers',
  'authsec commands --json':
    'the name of the schema of what each command prints; members are added, never changed',
  'authsec commands --schema <name>':
    'that schema, as JSON Schema 2020-12; that of errors is authsec.error/1',
} as const

/** What there is to explain beside the commands. */
const TOPICS: Readonly<Record<string, Topic>> = {
  'exit-codes': {
    summary: 'what each exit code says; it never depends on the output format',
    entries: EXIT_MEANINGS,
  },
  environment: {
    summary: 'the environment variables that count; a flag wins over them, they win over a profile',
    entries: ENVIRONMENT_MEANINGS,
  },
  filters: {
    summary: 'how audit tail, search and export are told which events are meant',
    entries: { ...AUDIT_FILTER_SYNTAX, ...AUDIT_FILTER_FIELDS },
  },
  formatting: {
    summary: 'how output is shaped, for people and for scripts',
    entries: FORMATTING_MEANINGS,
  },
  seed: {
    summary: 'the members of a seed file, a JSON object; clients go by name, users by e-mail address',
    entries: SEED_MEANINGS,
  },
  store: {
    summary:
      'the options of the address of a database, as in postgres://user@host:5432/database?schema=authsec&pool_size=20',
    entries: STORE_MEANINGS,
  },
}

export function addHelp(parent: Command, context: Context): void {
  describe(parent.command('help'), {
    summary: 'explain a command or a topic',
    examples: [
      ['authsec help token mint', 'the help of one command'],
      ['authsec help exit-codes', 'what the exit codes mean'],
      ['authsec help --json', 'every command with its flags, as data'],
    ],
    exits: [0, 2],
    onlyReads: true,
  })
    .argument('[words...]', `a command, or one of the topics ${Object.keys(TOPICS).join(', ')}`)
    .option('--json', 'print one JSON object', false)
    .action((words, { json }) => explain(context, parent, words, json))
}

function explain({ io }: Context, program: AnyCommand, words: readonly string[], json: boolean): void {
  const [name = ''] = words
  const topic = words.length === 1 && Object.hasOwn(TOPICS, name) ? TOPICS[name] : undefined
  if (topic === undefined) {
    findCommand(program, words).outputHelp()
    return
  }
  if (json) {
    io.json<Output>(topic.entries)
    return
  }
  io.line(`${wrapWords(topic.summary, io.columns).join('\n')}\n`)
  for (const line of alignPairs(Object.entries(topic.entries), io.columns))
    io.line(`  ${line.replaceAll('\n', '\n  ')}`)
}

function findCommand(program: AnyCommand, words: readonly string[]): AnyCommand {
  return words.reduce((command, word) => {
    const child = command.commands.find((candidate) => candidate.name() === word)
    if (child === undefined) {
      throw new AuthsecError('usage', `${pathOf(command)} has no command ${quote(word)}`, {
        hint: `See ${pathOf(command)} --help; topics: ${Object.keys(TOPICS).join(', ')}.`,
      })
    }
    return child
  }, program)
}
