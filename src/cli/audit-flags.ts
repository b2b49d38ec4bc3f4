import type { Command, OptionValues } from '@commander-js/extra-typings'
import { type AuditFilter, parseAuditFilter } from '../core/audit-filter.js'
import { findClientId } from './client-reference.js'
import type { Connection } from './connection.js'

/** The flags that narrow what is read of the audit log. */
export interface AuditFlags {
  filter: readonly AuditFilter[]
  type?: AuditFilter | undefined
  client?: string | undefined
  jti?: string | undefined
  outcome?: AuditFilter | undefined
}

/** Adds the flags of `AuditFlags`. */
export function addAuditFlags<A extends unknown[], O extends OptionValues, G extends OptionValues>(
  command: Command<A, O, G>,
) {
  return command
    .option('--filter <field=value>', 'only events with this; repeatable', collectFilter, [])
    .option('--type <type>', 'only this type of event; token.* for all that start so', readFilter('type'))
    .option('--client <client>', 'only events about this client, by its UUID or exact name')
    .option('--jti <id>', 'only events about the token with this id')
    .option('--outcome <outcome>', 'only allow, deny or error', readFilter('outcome'))
}

/** The conditions that the flags stand for; a client named by its name is looked up. */
export async function readFilters(connection: Connection, flags: AuditFlags): Promise<AuditFilter[]> {
  const filters = [...flags.filter]
  if (flags.type) filters.push(flags.type)
  if (flags.client !== undefined) {
    filters.push({ field: 'client', value: await findClientId(connection, flags.client) })
  }
  if (flags.jti !== undefined) filters.push({ field: 'jti', value: flags.jti })
  if (flags.outcome) filters.push(flags.outcome)
  return filters
}

function collectFilter(text: string, earlier: AuditFilter[]): AuditFilter[] {
  return [...earlier, parseAuditFilter(text)]
}

function readFilter(field: AuditFilter['field']): (value: string) => AuditFilter {
  return (value) => parseAuditFilter(`${field}=${value}`)
}
