import { AuthsecError } from '../core/errors.js'
import { isJsonObject, type JsonObject } from '../core/strict-json.js'
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

/**
 * Reads what a state keeps in a setting as JSON; undefined where it keeps nothing. Throws `state_unreadable` for what is
 * not that.
 */
export async function findJsonSetting<T extends object>(
  { settings }: Pick<Queries, 'settings'>,
  name: string,
  isWhole: (value: JsonObject) => boolean,
): Promise<T | undefined> {
  const text = await settings.find(name)
  if (text === undefined) return undefined
  const value = tryParse(text)
  if (isJsonObject(value) && isWhole(value)) return value as T
  throw damagedSetting(name, 'is damaged')
}

/** What is told of a setting that is not what it was. */
export function damagedSetting(name: string, what: string): AuthsecError {
  return new AuthsecError('state_unreadable', `the setting "${name}" of this state ${what}`, {
    hint: 'Something has altered the database: restore the state from a backup.',
  })
}

function tryParse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
