import { Command, CommanderError, Option } from '@commander-js/extra-typings'
import { addSearch } from './commands/audit/search.js'
import { addTail } from './commands/audit/tail.js'
import { addClientList } from './commands/client/list.js'
import { addRegister } from './commands/client/register.js'
import { addShow } from './commands/client/show.js'
import { addGrant } from './commands/delegation/grant.js'
import { addRevoke } from './commands/delegation/revoke.js'
import { addDemo } from './commands/demo.js'
import { addServe } from './commands/dev/serve.js'
import { addHelp } from './commands/help.js'
import { addPolicyCreate } from './commands/policy/create.js'
import { addPolicyList } from './commands/policy/list.js'
import { addResourceCreate } from './commands/resource/create.js'
import { addResourceList } from './commands/resource/list.js'
import { addDecode } from './commands/token/decode.js'
import { addMint } from './commands/token/mint.js'
import { addVerify } from './commands/token/verify.js'
import type { Context } from './context.js'
import { type AnyCommand, describe, describeCommand, formatHelp } from './help.js'
import type { ColorChoice } from './io.js'
import { formatJson } from './json-text.js'

type AddCommand = (parent: Command, context: Context) => void

interface Group {
  name: string
  summary: string
  commands: readonly AddCommand[]
}

/** Every command. A new one is a file under `commands/` and a line here. */
const GROUPS: readonly Group[] = [
  { name: 'dev', summary: 'run an AuthSec server on this machine', commands: [addServe] },
  {
    name: 'client',
    summary: 'register applications and agents',
    commands: [addRegister, addClientList, addShow],
  },
  {
    name: 'policy',
    summary: 'say which role may delegate what',
    commands: [addPolicyCreate, addPolicyList],
  },
  {
    name: 'resource',
    summary: 'register the APIs that accept tokens',
    commands: [addResourceCreate, addResourceList],
  },
  { name: 'delegation', summary: 'let an agent act for a person', commands: [addGrant, addRevoke] },
  { name: 'token', summary: 'get, read and verify tokens', commands: [addMint, addDecode, addVerify] },
  { name: 'audit', summary: 'read the audit log', commands: [addTail, addSearch] },
]
const COMMANDS: readonly AddCommand[] = [addDemo, addHelp]

/** The code of the exception that ends the parsing when `--version` is met. */
export const VERSION_ASKED = 'authsec.version'

/** Builds the command line; parsing it runs the command. Whatever ends a run is thrown. */
export function createProgram(context: Context): AnyCommand {
  const { io } = context
  const program = describe(new Command('authsec'), {
    summary: 'the developer toolkit for AuthSec delegation tokens',
    examples: [
      ['authsec demo', 'see the whole story in one command'],
      ['authsec dev serve', 'run a server; leave it running in a terminal of its own'],
      [
        'authsec token mint --audience https://billing.example --permission billing:read',
        'get a token for one call',
      ],
    ],
    seeAlso: ['authsec help exit-codes', 'authsec help environment'],
  })
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.line(text.trimEnd()),
      // With --json the error object says it all.
      writeErr: (text) => io.note(text.trimEnd()),
      outputError: () => {},
      getOutHelpWidth: () => io.columns,
      getErrHelpWidth: () => io.columns,
    })
    .configureHelp({
      showGlobalOptions: true,
      formatHelp: (command, helper) =>
        io.manners.json ? formatJson(describeCommand(command, helper), 2) : formatHelp(command, helper),
    })
    .helpCommand(false)
    .helpOption('-h, --help', 'show this help')
    .option('-V, --version', 'print the version')
    .addOption(
      new Option('--color <when>', 'colour on standard output')
        .choices(['auto', 'always', 'never'] as const)
        .default('auto' satisfies ColorChoice as ColorChoice),
    )
    .option('--no-input', 'never prompt, not even on a terminal')
    .on('option:version', () => {
      throw new CommanderError(0, VERSION_ASKED, 'the version was asked for')
    })
    .hook('preAction', (root) => {
      const { color, input } = root.opts()
      io.setManners({ color, input })
    })

  for (const { name, summary, commands } of GROUPS) {
    const group = describe(program.command(name), { summary })
    for (const add of commands) add(group, context)
  }
  for (const add of COMMANDS) add(program, context)
  return program
}
