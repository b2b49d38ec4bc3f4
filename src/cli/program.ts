import { Command, CommanderError, Option } from '@commander-js/extra-typings'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { Context } from './context.js'
import { type AnyCommand, describe, describeCommand, formatHelp, onlyReads, pathOf } from './help.js'
import type { ColorChoice } from './io.js'
import { formatJson } from './json-text.js'

type AddCommand = (parent: Command, context: Context) => void

/** Commands by name; one is loaded when the command line needs it. */
type Commands = Readonly<Record<string, () => Promise<AddCommand>>>

interface Group {
  name: string
  summary: string
  commands: Commands
}

/** Every command. A new one is a file under `commands/` and a line here. */
const GROUPS: readonly Group[] = [
  {
    name: 'profile',
    summary: 'remember servers by name',
    commands: {
      list: async () => (await import('./commands/profile/list.js')).addProfileList,
      show: async () => (await import('./commands/profile/show.js')).addProfileShow,
      use: async () => (await import('./commands/profile/use.js')).addProfileUse,
      create: async () => (await import('./commands/profile/create.js')).addProfileCreate,
      delete: async () => (await import('./commands/profile/delete.js')).addProfileDelete,
    },
  },
  {
    name: 'config',
    summary: 'show and change what is settled',
    commands: {
      list: async () => (await import('./commands/config/list.js')).addConfigList,
      get: async () => (await import('./commands/config/get.js')).addConfigGet,
      set: async () => (await import('./commands/config/set.js')).addConfigSet,
      unset: async () => (await import('./commands/config/unset.js')).addConfigUnset,
      path: async () => (await import('./commands/config/path.js')).addConfigPath,
    },
  },
  {
    name: 'dev',
    summary: 'run an AuthSec server',
    commands: {
      serve: async () => (await import('./commands/dev/serve.js')).addServe,
      init: async () => (await import('./commands/dev/init.js')).addInit,
      recover: async () => (await import('./commands/dev/recover.js')).addRecover,
      reindex: async () => (await import('./commands/dev/reindex.js')).addReindex,
      reset: async () => (await import('./commands/dev/reset.js')).addReset,
      snapshot: async () => (await import('./commands/dev/snapshot.js')).addSnapshot,
    },
  },
  {
    name: 'client',
    summary: 'register applications and agents',
    commands: {
      register: async () => (await import('./commands/client/register.js')).addRegister,
      list: async () => (await import('./commands/client/list.js')).addClientList,
      show: async () => (await import('./commands/client/show.js')).addShow,
      update: async () => (await import('./commands/client/update.js')).addClientUpdate,
      activate: async () => (await import('./commands/client/activate.js')).addActivate,
      deactivate: async () => (await import('./commands/client/deactivate.js')).addDeactivate,
      delete: async () => (await import('./commands/client/delete.js')).addClientDelete,
      rotate: async () => (await import('./commands/client/rotate.js')).addRotate,
    },
  },
  {
    name: 'user',
    summary: 'say who may log in and be acted for',
    commands: {
      create: async () => (await import('./commands/user/create.js')).addUserCreate,
      list: async () => (await import('./commands/user/list.js')).addUserList,
      update: async () => (await import('./commands/user/update.js')).addUserUpdate,
      activate: async () => (await import('./commands/user/activate.js')).addUserActivate,
      deactivate: async () => (await import('./commands/user/deactivate.js')).addUserDeactivate,
    },
  },
  {
    name: 'role',
    summary: 'say what people may do and delegate',
    commands: {
      create: async () => (await import('./commands/role/create.js')).addRoleCreate,
      list: async () => (await import('./commands/role/list.js')).addRoleList,
      update: async () => (await import('./commands/role/update.js')).addRoleUpdate,
    },
  },
  {
    name: 'policy',
    summary: 'say which role may delegate what',
    commands: {
      create: async () => (await import('./commands/policy/create.js')).addPolicyCreate,
      list: async () => (await import('./commands/policy/list.js')).addPolicyList,
      show: async () => (await import('./commands/policy/show.js')).addPolicyShow,
      update: async () => (await import('./commands/policy/update.js')).addPolicyUpdate,
      delete: async () => (await import('./commands/policy/delete.js')).addPolicyDelete,
    },
  },
  {
    name: 'resource',
    summary: 'register the APIs that accept tokens',
    commands: {
      create: async () => (await import('./commands/resource/create.js')).addResourceCreate,
      list: async () => (await import('./commands/resource/list.js')).addResourceList,
      show: async () => (await import('./commands/resource/show.js')).addResourceShow,
      delete: async () => (await import('./commands/resource/delete.js')).addResourceDelete,
    },
  },
  {
    name: 'trust',
    summary: 'let jobs of a CI system act as an agent',
    commands: {
      create: async () => (await import('./commands/trust/create.js')).addTrustCreate,
      list: async () => (await import('./commands/trust/list.js')).addTrustList,
      show: async () => (await import('./commands/trust/show.js')).addTrustShow,
      delete: async () => (await import('./commands/trust/delete.js')).addTrustDelete,
    },
  },
  {
    name: 'delegation',
    summary: 'let an agent act for a person',
    commands: {
      grant: async () => (await import('./commands/delegation/grant.js')).addGrant,
      list: async () => (await import('./commands/delegation/list.js')).addDelegationList,
      show: async () => (await import('./commands/delegation/show.js')).addDelegationShow,
      revoke: async () => (await import('./commands/delegation/revoke.js')).addRevoke,
    },
  },
  {
    name: 'token',
    summary: 'get, read and verify tokens',
    commands: {
      mint: async () => (await import('./commands/token/mint.js')).addMint,
      decode: async () => (await import('./commands/token/decode.js')).addDecode,
      verify: async () => (await import('./commands/token/verify.js')).addVerify,
      lint: async () => (await import('./commands/token/lint.js')).addLint,
      diff: async () => (await import('./commands/token/diff.js')).addDiff,
      can: async () => (await import('./commands/token/can.js')).addCan,
      'needs-renewal': async () => (await import('./commands/token/needs-renewal.js')).addNeedsRenewal,
      introspect: async () => (await import('./commands/token/introspect.js')).addIntrospect,
      revoke: async () => (await import('./commands/token/revoke.js')).addTokenRevoke,
      exchange: async () => (await import('./commands/token/exchange.js')).addExchange,
    },
  },
  {
    name: 'ci',
    summary: 'get tokens in a pipeline, without a secret',
    commands: {
      oidc: async () => (await import('./commands/ci/oidc.js')).addOidc,
      setup: async () => (await import('./commands/ci/setup.js')).addSetup,
    },
  },
  {
    name: 'keys',
    summary: 'look after the keys that sign, and make some offline',
    commands: {
      list: async () => (await import('./commands/keys/list.js')).addKeyList,
      prepare: async () => (await import('./commands/keys/prepare.js')).addKeyPrepare,
      activate: async () => (await import('./commands/keys/activate.js')).addKeyActivate,
      rotate: async () => (await import('./commands/keys/rotate.js')).addKeyRotate,
      taint: async () => (await import('./commands/keys/taint.js')).addKeyTaint,
      revoke: async () => (await import('./commands/keys/revoke.js')).addKeyRevoke,
      rewrap: async () => (await import('./commands/keys/rewrap.js')).addKeyRewrap,
      generate: async () => (await import('./commands/keys/generate.js')).addKeyGenerate,
      thumbprint: async () => (await import('./commands/keys/thumbprint.js')).addKeyThumbprint,
      convert: async () => (await import('./commands/keys/convert.js')).addKeyConvert,
      jwks: async () => (await import('./commands/keys/jwks.js')).addKeyJwks,
    },
  },
  {
    name: 'audit',
    summary: 'read the audit log',
    commands: {
      tail: async () => (await import('./commands/audit/tail.js')).addTail,
      search: async () => (await import('./commands/audit/search.js')).addSearch,
      show: async () => (await import('./commands/audit/show.js')).addAuditShow,
      trace: async () => (await import('./commands/audit/trace.js')).addTrace,
      types: async () => (await import('./commands/audit/types.js')).addTypes,
      export: async () => (await import('./commands/audit/export.js')).addExport,
      verify: async () => (await import('./commands/audit/verify.js')).addAuditVerify,
      checkpoint: async () => (await import('./commands/audit/checkpoint.js')).addCheckpoint,
    },
  },
]
const COMMANDS: Commands = {
  login: async () => (await import('./commands/login.js')).addLogin,
  logout: async () => (await import('./commands/logout.js')).addLogout,
  whoami: async () => (await import('./commands/whoami.js')).addWhoami,
  exec: async () => (await import('./commands/exec.js')).addExec,
  doctor: async () => (await import('./commands/doctor.js')).addDoctor,
  explain: async () => (await import('./commands/explain.js')).addExplain,
  commands: async () => (await import('./commands/commands.js')).addCommands,
  completion: async () => (await import('./commands/completion.js')).addCompletion,
  demo: async () => (await import('./commands/demo.js')).addDemo,
  help: async () => (await import('./commands/help.js')).addHelp,
}

/** The commands that tell about all commands. */
const TELLING: readonly string[] = ['help', 'commands', 'completion']

/** The code of the exception that ends the parsing when `--version` is met. */
export const VERSION_ASKED = 'authsec.version'

/**
 * Builds the command line; parsing it runs the command. Whatever ends a run is thrown. It is whole, or, to start
 * sooner, it has only the one command whose group and name the arguments begin with.
 */
export async function createProgram(context: Context, args: readonly string[]): Promise<AnyCommand> {
  const program = createRoot(context)
  const { groups, commands: alone } = chooseCommands(args)
  for (const { name, summary, commands } of groups) {
    await addCommands(describe(program.command(name), { summary }), commands, context)
  }
  await addCommands(program, alone, context)
  return program
}

// All else, such as a flag or a misspelt name in front, needs the whole: what is meant may be any part of it. So
// does what tells about the others.
function chooseCommands([first = '', second = '']: readonly string[]): {
  groups: readonly Group[]
  commands: Commands
} {
  const group = GROUPS.find(({ name }) => name === first)
  const inGroup = group && pick(group.commands, second)
  if (group && inGroup) return { groups: [{ ...group, commands: inGroup }], commands: {} }
  const alone = TELLING.includes(first) ? undefined : pick(COMMANDS, first)
  return alone ? { groups: [], commands: alone } : { groups: GROUPS, commands: COMMANDS }
}

function pick(commands: Commands, name: string): Commands | undefined {
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined
  return load && { [name]: load }
}

async function addCommands(parent: Command, commands: Commands, context: Context): Promise<void> {
  for (const load of Object.values(commands)) {
    const add = await load()
    add(parent, context)
  }
}

function createRoot(context: Context) {
  const { io } = context
  return describe(new Command('authsec'), {
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
    .option('--fields <names>', 'of the JSON only these members, separated by commas', parseFields)
    .option('--jq <filter>', 'of the JSON what this filter in the language of jq makes of it')
    .option('-q, --quiet', 'nothing on standard error but warnings and errors', false)
    .option('--no-input', 'never prompt, not even on a terminal')
    .on('option:version', () => {
      throw new CommanderError(0, VERSION_ASKED, 'the version was asked for')
    })
    .hook('preAction', async (root, command) => {
      for (const part of [root, command]) assertFilled(part)
      const { color, input, quiet, fields, jq } = root.opts()
      io.setManners({ color, input, quiet })
      if (!onlyReads(command)) context.signal.throwIfAborted()
      if (fields === undefined && jq === undefined) return
      const { readSelection } = await import('./json-selection.js')
      demandJson(command, fields ? '--fields' : '--jq')
      io.setManners({ select: await readSelection({ fields, jq }, (text) => io.warn(text)) })
    })
}

// As a flag is whose variable a script has not set.
function assertFilled(command: AnyCommand): void {
  for (const option of command.options) {
    const name = option.attributeName()
    const given = command.getOptionValueSource(name) === 'cli' ? [command.getOptionValue(name)].flat() : []
    if (given.every((value) => typeof value !== 'string' || value.trim() !== '')) continue
    throw new AuthsecError('usage', `${option.long} is empty`, {
      hint: 'Give it a value or leave it out; a variable that nobody has set is empty too.',
    })
  }
}

// Both flags are about JSON, so nobody has to ask for it as well.
function demandJson(command: AnyCommand, flag: string): void {
  if (!command.options.some(({ long }) => long === '--json')) {
    throw new AuthsecError('usage', `${flag} is about JSON, which ${pathOf(command)} does not print`, {
      hint: `Leave ${flag} out.`,
    })
  }
  command.setOptionValueWithSource('json', true, 'implied')
}

function parseFields(text: string): string[] {
  const fields = text.split(',').map((field) => field.trim())
  if (fields.every((field) => /^[\w-]+(?:\.[\w-]+)*$/.test(field))) return fields
  throw new AuthsecError('usage', `${quote(text)} is not a list of fields`, {
    hint: 'Separate names by commas, as in --fields client_id,name.',
  })
}
