import type { Command } from '@commander-js/extra-typings'
import { parseServerUrl } from '../../../core/server-url.js'
import { findClientId, readReference } from '../../client-reference.js'
import { openConnection } from '../../connection.js'
import type { Context } from '../../context.js'
import { SERVER_EXITS } from '../../exit-codes.js'
import { addConnectionFlags, collectPermission, readFlag } from '../../flags.js'
import { describe } from '../../help.js'
import {
  formatPipeline,
  PIPELINES,
  type Pipeline,
  parseBranch,
  parseRepository,
} from '../../pipeline-snippets.js'

export function addSetup(parent: Command, context: Context): void {
  const command = describe(parent.command('setup'), {
    summary: 'print what a pipeline needs to get call tokens without a secret',
    details: 'Standard output is the YAML; its first lines are the trust rule that an admin makes once.',
    examples: [
      [
        'authsec ci setup github --repository acme/shop --audience https://billing.example --permission billing:read',
        'a job of GitHub Actions',
      ],
      [
        'authsec ci setup gitlab --repository acme/shop --audience https://billing.example',
        'a job of GitLab CI',
      ],
    ],
    exits: [0, 2, 4, 6, 7, ...SERVER_EXITS],
    seeAlso: ['authsec ci oidc', 'authsec trust create'],
    onlyReads: true,
  })
    .addArgument(parent.createArgument('<system>', 'where the pipeline runs').choices(PIPELINES))
    .requiredOption('--repository <owner/name>', 'whose jobs it shall be')
    .requiredOption('--audience <uri>', 'the API that shall accept the call token', parseAudience)
    .option(
      '--permission <permission>',
      'what it shall allow; repeatable; none: all that may be had',
      collectPermission,
      [],
    )
    .option('--branch <name>', 'the branch that is trusted', parseBranch, 'main')
    .option('--client <client>', 'the agent to act as, by its UUID or exact name (AUTHSEC_CLIENT_ID)')
  addConnectionFlags(command).action(async (system, flags) => {
    const repository = parseRepository(system, flags.repository)
    const connection = await openConnection(context, flags)
    const pipeline: Pipeline = {
      serverUrl: connection.target.serverUrl,
      clientId: await findClientId(connection, readReference(connection, flags.client)),
      repository,
      branch: flags.branch,
      audience: flags.audience,
      permissions: flags.permission,
    }
    context.io.line(formatPipeline(system, pipeline))
  })
}

function parseAudience(text: string): string {
  readFlag(() => parseServerUrl(text))
  return text
}
