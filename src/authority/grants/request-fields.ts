import { AuthsecError } from '../../core/errors.js'
import { type Permissions, parseScope } from '../../core/permission.js'
import { quote } from '../../core/printable.js'
import { assertResourceUri } from '../resources.js'

/**
 * The one resource that a token is asked for (RFC 8707 §2), or the same by the name of `audience`; throws
 * `invalid_target`.
 */
export function readResource(form: ReadonlyMap<string, string>): string {
  const resource = form.get('resource') ?? form.get('audience')
  if (resource === undefined) throw new AuthsecError('invalid_target', 'resource is missing')
  if ((form.get('audience') ?? resource) !== resource) {
    throw new AuthsecError('invalid_target', 'audience and resource name two APIs: a call token is for one')
  }
  assertResourceUri(resource)
  return resource
}

/** The permissions asked for; undefined means everything that remains. Throws `invalid_scope`. */
export function readScope(form: ReadonlyMap<string, string>): Permissions | undefined {
  const scope = form.get('scope')
  if (scope === undefined) return undefined
  const permissions = parseScope(scope)
  if (permissions.size === 0) throw new AuthsecError('invalid_scope', 'scope names no permission')
  return permissions
}

/** The life asked for, in whole seconds, which `callLifetime` holds to its bounds. Throws `invalid_request`. */
export function readTtl(form: ReadonlyMap<string, string>): number | undefined {
  const text = form.get('ttl_seconds')
  if (text === undefined) return undefined
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new AuthsecError('invalid_request', `ttl_seconds ${quote(text)} is not a whole number of seconds`)
}
