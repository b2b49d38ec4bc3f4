import type { Command } from '@commander-js/extra-typings'
import { AuthsecError } from '../../../core/errors.js'
import { toPrintable } from '../../../core/printable.js'
import type { Context } from '../../context.js'
import { describe } from '../../help.js'
import {
  listSettings,
  type NamedSetting,
  parseSettingName,
  SETTING_MEANINGS,
  type SettingName,
} from '../../settings.js'

/** The setting as it counts here. */
export type Output = NamedSetting

export function addConfigGet(parent: Command, context: Context): void {
  describe(parent.command('get'), {
    summary: 'print one setting as it counts here',
    examples: [['authsec config get server', 'the address of the server in use']],
    exits: [0, 2, 6],
    seeAlso: ['authsec config list'],
    onlyReads: true,
  })
    .argument('<setting>', Object.keys(SETTING_MEANINGS).join(', '), parseSettingName)
    .option('--json', 'print one JSON object', false)
    .action((name, { json }) => show(context, name, json))
}

async function show(context: Context, name: SettingName, json: boolean): Promise<void> {
  const setting = (await listSettings(context)).find((candidate) => candidate.name === name)
  if (setting === undefined) {
    throw new AuthsecError('not_found', `nobody says what ${name} is`, {
      hint: `Say it with authsec config set ${name} VALUE.`,
    })
  }
  if (json) context.io.json<Output>(setting)
  else context.io.line(toPrintable(setting.value))
}
