import type { Command } from '@commander-js/extra-typings'
import type { Context } from '../../context.js'
import { describe } from '../../help.js'
import { changeSetting } from '../../setting-change.js'
import { parseSettingName, SETTING_MEANINGS } from '../../settings.js'

export function addConfigUnset(parent: Command, context: Context): void {
  describe(parent.command('unset'), {
    summary: 'take a setting back',
    examples: [['authsec config unset client_id', 'no agent is meant unless a flag names one']],
    exits: [0, 2],
    seeAlso: ['authsec config list'],
  })
    .argument('<setting>', Object.keys(SETTING_MEANINGS).join(', '), parseSettingName)
    .option('--project', 'in the nearest authsec.config.json', false)
    .action((name, { project }) => changeSetting(context, { name, value: undefined, isOfProject: project }))
}
