import type { Command } from '@commander-js/extra-typings'
import { AuthsecError } from '../../../core/errors.js'
import { GENERATIONS } from '../../../core/generation.js'
import { quote } from '../../../core/printable.js'
import type { Profile } from '../../config.js'
import type { Context } from '../../context.js'
import { parseTenantId } from '../../flags.js'
import { describe } from '../../help.js'
import { assertProfileName } from '../../login-place.js'
import { normalizeServerUrl } from '../../settings.js'

export function addProfileCreate(parent: Command, context: Context): void {
  describe(parent.command('create'), {
    summary: 'remember a server under a name',
    examples: [
      ['authsec profile create staging --server https://authsec.example', 'without calling it'],
      ['authsec login --server https://authsec.example', 'call it and log in as well'],
    ],
    exits: [0, 2, 7],
    seeAlso: ['authsec login', 'authsec profile use'],
  })
    .argument('<name>', 'letters, digits, dots, dashes and underscores')
    .requiredOption('--server <url>', 'the AuthSec server')
    .option('--tenant <id>', 'UUID of the tenant', parseTenantId)
    .option('--client <id>', 'UUID of the client that is meant when no flag names one')
    .addOption(
      parent.createOption('--generation <generation>', 'which AuthSec the server is').choices(GENERATIONS),
    )
    .action((name, { server, tenant, client, generation }) =>
      create(context, name, {
        server_url: normalizeServerUrl(server),
        ...(tenant !== undefined && { tenant_id: tenant }),
        ...(client !== undefined && { client_id: client }),
        ...(generation !== undefined && { generation }),
      }),
    )
}

async function create({ io, config }: Context, name: string, profile: Profile): Promise<void> {
  assertProfileName(name)
  if (Object.hasOwn((await config.read()).profiles, name)) {
    throw new AuthsecError('conflict', `there is a profile ${quote(name)} already`, {
      hint: 'Change it with authsec config set, or delete it first.',
    })
  }
  await config.writeProfile(name, profile)
  io.note(`profile ${name} was made; use it with authsec profile use ${name}`)
}
