import type { Command } from '@commander-js/extra-typings'
import type { Context } from '../../context.js'
import { describe } from '../../help.js'
import { addLoad } from './snapshot/load.js'
import { addSave } from './snapshot/save.js'

export function addSnapshot(parent: Command, context: Context): void {
  const group = describe(parent.command('snapshot'), {
    summary: 'copy the state of a server and put a copy in place',
  })
  addSave(group, context)
  addLoad(group, context)
}
