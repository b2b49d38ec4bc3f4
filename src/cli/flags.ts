import type { Command, OptionValues } from '@commander-js/extra-typings'
import { parseDuration } from '../core/duration.js'
import { AuthsecError } from '../core/errors.js'
import { parsePermissions } from '../core/permission.js'
import { quote } from '../core/printable.js'
import { readUuid } from '../core/uuid.js'

/** Adds the flags of `ConnectionFlags`. */
export function addConnectionFlags<A extends unknown[], O extends OptionValues, G extends OptionValues>(
  command: Command<A, O, G>,
) {
  return command
    .option('--server <url>', 'the AuthSec server (AUTHSEC_SERVER)')
    .option('--profile <name>', 'the profile to use (AUTHSEC_PROFILE)')
}

/** Collects a flag that may be given several times. */
export function collect(value: string, earlier: string[]): string[] {
  return [...earlier, value]
}

/** Reads the value of a flag; whatever else it would be refused as, here it makes no sense: throws `usage`. */
export function readFlag<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (AuthsecError.is(error)) throw new AuthsecError('usage', error.message, { hint: error.hint })
    throw error
  }
}

/** Collects permissions; throws `usage` for one that is not written as `resource:action`. */
export function collectPermission(value: string, earlier: string[]): string[] {
  readFlag(() => parsePermissions([value]))
  return [...earlier, value]
}

/** Reads a duration as whole seconds that are more than none; throws `usage`. */
export function parseSeconds(text: string): number {
  const seconds = parseDuration(text)
  if (seconds === 0)
    throw new AuthsecError('usage', `${quote(text)} is no time at all`, {
      hint: 'Write a duration as 45s, 15m, 2h30m or 7d.',
    })
  return seconds
}

/** Makes a reader of whole numbers between two limits; what it reads throws `usage`. */
export function parseWholeNumber(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
    if (!(number >= minimum && number <= maximum)) {
      throw new AuthsecError('usage', `${quote(text)} is not a number from ${minimum} to ${maximum}`, {
        hint: `Give it in digits, ${minimum} at least and ${maximum} at most.`,
      })
    }
    return number
  }
}

/** Reads the id of a tenant, in lower case as tokens say it; throws `usage`. */
export function parseTenantId(text: string): string {
  const uuid = readUuid(text)
  if (uuid !== undefined) return uuid
  throw new AuthsecError('usage', `${quote(text)} is not the id of a tenant`, {
    hint: 'Give its UUID; left out, the server is asked for it.',
  })
}
