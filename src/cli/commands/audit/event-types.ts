import type { Command } from '@commander-js/extra-typings'
import { AUDIT_EVENTS } from '../../../core/audit-record.js'
import type { Context } from '../../context.js'
import { describe } from '../../help.js'

export function addTypes(parent: Command, context: Context): void {
  describe(parent.command('types'), {
    summary: 'list the types of events',
    details: 'Each with what somebody did in it. A type~pattern of a filter means all that fit.',
    examples: [
      ['authsec audit types', 'every type of event'],
      ['authsec audit types --json', 'the same as data'],
    ],
    exits: [0, 2],
    seeAlso: ['authsec help filters', 'authsec audit search'],
    onlyReads: true,
  })
    .option('--json', 'print a JSON array', false)
    .action(({ json }) => listTypes(context, json))
}

async function listTypes({ io }: Context, json: boolean): Promise<void> {
  const types = Object.entries(AUDIT_EVENTS).sort()
  if (json) io.json(types.map(([type, description]) => ({ type, description })))
  else await io.table(['type', 'what somebody did'], types)
}
