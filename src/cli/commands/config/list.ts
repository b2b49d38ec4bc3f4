import type { Command } from '@commander-js/extra-typings'
import type { Context } from '../../context.js'
import { describe } from '../../help.js'
import { listSettings, type NamedSetting } from '../../settings.js'

/** What is settled here; what nobody says is left out. */
export type Output = NamedSetting[]

export function addConfigList(parent: Command, context: Context): void {
  describe(parent.command('list'), {
    summary: 'show what is settled before a command calls a server',
    examples: [
      ['authsec config list', 'what counts here'],
      ['authsec config list --show-origin', 'and who says so'],
    ],
    exits: [0, 2],
    seeAlso: ['authsec help environment', 'authsec config set'],
    onlyReads: true,
  })
    .option('--show-origin', 'add the variable, file or profile that says so', false)
    .option('--json', 'print a JSON array', false)
    .action(({ showOrigin, json }) => list(context, showOrigin, json))
}

async function list(context: Context, showOrigin: boolean, json: boolean): Promise<void> {
  const { io } = context
  const settings = await listSettings(context)
  if (json) io.json<Output>(settings)
  else if (showOrigin) {
    await io.table(
      ['setting', 'value', 'from', 'where'],
      settings.map(({ name, value, origin, where }) => [name, value, origin, where]),
    )
  } else io.record(settings.map(({ name, value }) => [name, value]))
}
