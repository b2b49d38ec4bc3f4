import { AuthsecError } from '../../core/errors.js'
import { quote } from '../../core/printable.js'

/** Where a person types the code of a device. */
export const ACTIVATION_PATH = '/activate'

/** What somebody asks for who names no scope, at AuthSec. */
export const DEFAULT_SCOPES: readonly string[] = ['openid', 'profile', 'email']

/** What AuthSec calls the domain of a tenant: this server has one tenant, at its own host. */
export function tenantDomain(serverUrl: string): string {
  return new URL(serverUrl).hostname
}

/** Reads a space-delimited scope parameter as it stands. */
export function readScopes(form: ReadonlyMap<string, string>): string[] {
  return [...new Set((form.get('scope') ?? '').split(' ').filter((scope) => scope !== ''))]
}

/**
 * A user's session is for this server alone: a resource is asked for when the session is exchanged. Throws
 * `invalid_target` (RFC 8707 §2) instead of dropping it.
 */
export function refuseResource(form: ReadonlyMap<string, string>): void {
  const resource = form.get('resource') ?? form.get('audience')
  if (resource === undefined) return
  throw new AuthsecError('invalid_target', `a login is for no API such as ${quote(resource, 200)}`, {
    hint: 'Exchange the token of the login for one of that API.',
  })
}
