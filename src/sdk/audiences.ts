import { AuthsecError } from '../core/errors.js'
import { assertMembers } from '../core/option-checks.js'
import { quote } from '../core/printable.js'
import { parseServerUrl } from '../core/server-url.js'
import type { AudienceOptions } from './options.js'

/** The APIs that a client knows by name. */
export interface Audiences {
  /** The API's own name for ours; any other is its own. */
  resolve(audience: string | undefined): string | undefined
  /** Where tokens of an API may be sent. Throws `request_invalid` without one, `configuration` where nobody has said. */
  originsOf(audience: string | undefined): ReadonlySet<string>
}

/** Checks the names when the client is made; throws `configuration` naming the one that is wrong. */
export function createAudiences(options: Readonly<Record<string, AudienceOptions>>): Audiences {
  const resources = new Map<unknown, string>()
  const origins = new Map<string, ReadonlySet<string>>()
  for (const [name, audience] of Object.entries(options)) {
    assertMembers(`the options of the audience ${quote(name)}`, audience, { resource: 1, origins: 1 })
    const { resource, origins: listed } = audience
    if (typeof resource !== 'string' || resource === '') {
      throw misconfigured(`the audience ${quote(name)} has no resource`)
    }
    if ([...resources.values()].includes(resource)) {
      throw misconfigured(
        `two audiences have the resource ${quote(resource)}`,
        'Name all its origins in one.',
      )
    }
    resources.set(name, resource)
    if (listed !== undefined) origins.set(resource, new Set(listed.map(readOrigin)))
  }

  return {
    resolve: (audience) => (resources.size === 0 ? audience : (resources.get(audience) ?? audience)),
    originsOf(audience) {
      if (audience === undefined) {
        throw new AuthsecError('request_invalid', 'a fetch without an audience', {
          hint: 'Name the API: its tokens are sent to its own origins and nowhere else.',
        })
      }
      return origins.get(audience) ?? new Set([readOrigin(audience)])
    },
  }
}

// A token over plain http could be read by anybody on the way.
function readOrigin(address: string): string {
  try {
    return parseServerUrl(address).origin
  } catch {
    throw misconfigured(
      `${quote(address)} is no origin that tokens may be sent to`,
      'Name the origins of the API in the audiences option: https, or http on this machine.',
    )
  }
}

function misconfigured(message: string, hint?: string): AuthsecError {
  return new AuthsecError('configuration', message, { hint })
}
