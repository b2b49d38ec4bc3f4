import type { Command } from '@commander-js/extra-typings'
import type { Context } from '../../context.js'
import { describe } from '../../help.js'
import { readSettings, requireProfile } from '../../settings.js'

export function addProfileUse(parent: Command, context: Context): void {
  describe(parent.command('use'), {
    summary: 'say which profile is used when nothing names one',
    examples: [['authsec profile use dev', 'work with the server of authsec dev serve again']],
    exits: [0, 2, 6],
    seeAlso: ['authsec profile list', 'authsec config list'],
  })
    .argument('<name>', 'the profile')
    .action((name) => use(context, name))
}

async function use(context: Context, name: string): Promise<void> {
  const { io, config } = context
  const { server_url } = requireProfile(await config.read(), name, 'not_found')
  await config.useProfile(name)
  io.note(`profile ${name} is in use (${server_url})`)
  const { profile, server } = await readSettings(context, {})
  const stronger = [server, profile].find((setting) =>
    ['environment', 'project'].includes(setting?.origin ?? ''),
  )
  if (stronger && profile?.value !== name) io.warn(`${stronger.where} still says otherwise here`)
}
