import type { Command } from '@commander-js/extra-typings'
import type { Context } from '../../context.js'
import { describe } from '../../help.js'
import { requireProfile } from '../../settings.js'

export function addProfileDelete(parent: Command, context: Context): void {
  describe(parent.command('delete'), {
    summary: 'forget a server, and the session for it',
    details: 'Nothing changes at the server: end the session there first, with authsec logout.',
    examples: [['authsec profile delete staging', 'forget it']],
    exits: [0, 2, 6],
    seeAlso: ['authsec logout'],
  })
    .argument('<name>', 'the profile')
    .action((name) => forget(context, name))
}

async function forget({ io, config, credentials }: Context, name: string): Promise<void> {
  requireProfile(await config.read(), name, 'not_found')
  await credentials.remove(name)
  await config.removeProfile(name)
  io.note(`profile ${name} is forgotten`)
}
