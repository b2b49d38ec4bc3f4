import type { Command } from '@commander-js/extra-typings'
import { AuthsecError } from '../../../core/errors.js'
import { toPrintable } from '../../../core/printable.js'
import type { Context } from '../../context.js'
import { describe } from '../../help.js'
import { PROJECT_FILE } from '../../project-file.js'

export function addConfigPath(parent: Command, context: Context): void {
  describe(parent.command('path'), {
    summary: 'print where the configuration lies',
    examples: [
      ['authsec config path', 'the file of the user'],
      ['authsec config path --project', 'the file of the project'],
    ],
    exits: [0, 2, 6],
    onlyReads: true,
  })
    .option('--project', 'the nearest project file instead', false)
    .action(async ({ project }) => {
      const path = project ? (await context.project.read())?.path : context.config.path
      if (path === undefined) {
        throw new AuthsecError('not_found', `there is no ${PROJECT_FILE} here or above`, {
          hint: 'Make one with authsec config set server URL --project.',
        })
      }
      context.io.line(toPrintable(path))
    })
}
