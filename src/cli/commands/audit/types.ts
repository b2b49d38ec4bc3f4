import type { Command } from '@commander-js/extra-typings'
import { AUDIT_EVENTS, type AuditEventType } from '../../../core/audit-record.js'
import type { Context } from '../../context.js'
import { describe } from '../../help.js'

/** The types of events, in alphabetical order. */
export type Output = readonly EventTypeOutput[]

interface EventTypeOutput {
  type: AuditEventType
  /** What somebody did, in words. */
  description: string
}

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
  const types = (Object.entries(AUDIT_EVENTS) as [AuditEventType, string][]).sort()
  if (json) io.json<Output>(types.map(([type, description]) => ({ type, description })))
  else await io.table(['type', 'what somebody did'], types)
}
