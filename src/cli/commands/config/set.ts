import type { Command } from '@commander-js/extra-typings'
import type { Context } from '../../context.js'
import { describe } from '../../help.js'
import { changeSetting } from '../../setting-change.js'
import { parseSettingName, SETTING_MEANINGS } from '../../settings.js'

export function addConfigSet(parent: Command, context: Context): void {
  describe(parent.command('set'), {
    summary: 'change a setting of the profile in use, or of the project',
    examples: [
      [
        'authsec config set client_id 0c6f9a52-1f4e-4f0a-8d39-5b1a7c2e4d10',
        'the agent that is meant from now on',
      ],
      [
        'authsec config set server https://authsec.example --project',
        'for everybody who works on the project',
      ],
      [
        'authsec config set trusted_issuers https://token.actions.githubusercontent.com,https://gitlab.com',
        'believe the identity tokens of these as well, in authsec token verify',
      ],
    ],
    exits: [0, 2, 6],
    seeAlso: ['authsec config list', 'authsec config path'],
  })
    .argument('<setting>', Object.keys(SETTING_MEANINGS).join(', '), parseSettingName)
    .argument('<value>', 'what it is from now on')
    .option('--project', 'in the nearest authsec.config.json; none is made elsewhere than here', false)
    .action((name, value, { project }) => changeSetting(context, { name, value, isOfProject: project }))
}
