import { AuthsecError } from '../core/errors.js'
import type { Queries } from '../store/store.js'

/** Reads what every state is given at its first start. Throws `state_unreadable` where it is missing. */
export async function readSetting(
  { settings }: Pick<Queries, 'settings'>,
  name: 'tenant_id' | 'issuer' | 'log_id',
): Promise<string> {
  const value = await settings.find(name)
  if (value === undefined) throw damagedSetting(name, 'is missing')
  return value
}

/** What is told of a setting that is not what it was. */
export function damagedSetting(name: string, what: string, cause?: unknown): AuthsecError {
  return new AuthsecError('state_unreadable', `the setting "${name}" of this state ${what}`, {
    hint: 'Somebody or something has altered the database: restore the state from a backup.',
    cause,
  })
}
