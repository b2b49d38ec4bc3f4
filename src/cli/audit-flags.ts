import type { Command, OptionValues } from '@commander-js/extra-typings'
import { type AuditCondition, type AuditFilter, parseAuditFilter } from '../core/audit-filter.js'
import { parseTime } from '../core/time.js'
import { findClientId } from './client-reference.js'
import type { Connection } from './connection.js'

/** The flags that narrow what is read of the audit log. */
export interface AuditFlags {
  filter: AuditFilter
  type?: AuditFilter | undefined
  client?: string | undefined
  jti?: string | undefined
  outcome?: AuditFilter | undefined
}

/** Adds the flags of `AuditFlags`; ages in a filter count from `now`. */
export function addAuditFlags<A extends unknown[], O extends OptionValues, G extends OptionValues>(
  command: Command<A, O, G>,
  now: () => number,
) {
  const collectFilter = (text: string, earlier: AuditFilter): AuditFilter => [
    ...earlier,
    ...parseAuditFilter(text, now()),
  ]
  const readType = (type: string) => parseAuditFilter(`type${type.includes('*') ? '~' : '='}${type}`, now())
  const readOutcome = (outcome: string) => parseAuditFilter(`outcome=${outcome}`, now())
  return command
    .option(
      '--filter <expr>',
      'only events that fit; see authsec help filters; repeatable',
      collectFilter,
      [],
    )
    .option('--type <type>', 'only this type of event; token.* for all that start so', readType)
    .option('--client <client>', 'only events about this client, by its UUID or exact name')
    .option('--jti <id>', 'only events about the token with this id')
    .option('--outcome <outcome>', 'only allow, deny or error', readOutcome)
}

/** Adds the flags that bound what is read in time; ages count from `now`. */
export function addTimeFlags<A extends unknown[], O extends OptionValues, G extends OptionValues>(
  command: Command<A, O, G>,
  now: () => number,
) {
  const readTime = (text: string) => new Date(parseTime(text, now())).toISOString()
  return command
    .option('--since <time>', 'from this time on: RFC 3339, epoch seconds or an age such as 15m', readTime)
    .option('--until <time>', 'up to this time', readTime)
}

/** The conditions that the flags of time stand for. */
export function listTimes({
  since,
  until,
}: {
  since?: string | undefined
  until?: string | undefined
}): AuditCondition[] {
  return Object.entries({ since, until }).flatMap(([field, value]) =>
    value === undefined ? [] : [{ field: field as 'since' | 'until', operator: '=', value } as const],
  )
}

/** The conditions that the flags stand for; a client named by its name is looked up. */
export async function readFilter(connection: Connection, flags: AuditFlags): Promise<AuditFilter> {
  const is = (field: 'client' | 'jti', value: string): AuditCondition => ({ field, operator: '=', value })
  return [
    ...flags.filter,
    ...(flags.type ?? []),
    ...(flags.client === undefined ? [] : [is('client', await findClientId(connection, flags.client))]),
    ...(flags.jti === undefined ? [] : [is('jti', flags.jti)]),
    ...(flags.outcome ?? []),
  ]
}
