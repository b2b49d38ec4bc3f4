import { AuthsecError } from './errors.js'
import { quote, toPrintable } from './printable.js'

/** Permissions without order or repeats; each is `resource:action`. */
export type Permissions = ReadonlySet<string>

const PERMISSION = /^[a-z0-9_-]+(?::[a-z0-9_-]+)+$/

// More than any API has, and little enough for a token, a header and an audit record.
const MAX_PERMISSIONS = 100
const MAX_PERMISSION_LENGTH = 100

/** Whether a text has the form of a permission. */
export function isPermission(text: string): boolean {
  return text.length <= MAX_PERMISSION_LENGTH && PERMISSION.test(text)
}

/** Reads a list of at most 100 permissions; throws `invalid_scope` naming what is not a permission. */
export function parsePermissions(list: Iterable<string>): Permissions {
  const permissions = new Set(list)
  if (permissions.size > MAX_PERMISSIONS) {
    throw new AuthsecError('invalid_scope', `more than ${MAX_PERMISSIONS} permissions`)
  }
  for (const permission of permissions) {
    if (!isPermission(permission)) {
      throw new AuthsecError('invalid_scope', `${quote(permission)} is not a permission`, {
        hint: 'Write a permission as resource:action, for example billing:read.',
      })
    }
  }
  return permissions
}

/** Reads a space-delimited `scope` value (RFC 6749 §3.3); throws `invalid_scope` like `parsePermissions`. */
export function parseScope(text: string): Permissions {
  return parsePermissions(text.split(' ').filter((part) => part !== ''))
}

/** Writes permissions the same way whatever order they were read in. */
export function formatScope(permissions: Iterable<string>): string {
  return sortPermissions(permissions).join(' ')
}

/** The permissions as a sorted array, the order they have in every token and record. */
export function sortPermissions(permissions: Iterable<string>): string[] {
  return [...new Set(permissions)].sort()
}

/** What is in every one of the lists. */
export function intersectPermissions(first: Iterable<string>, ...others: Permissions[]): Permissions {
  const common = new Set(first)
  for (const other of others) {
    for (const permission of common) if (!other.has(permission)) common.delete(permission)
  }
  return common
}

/** Delegation only narrows: throws `invalid_scope` naming what of `asked` goes beyond `held`. */
export function assertNarrower(asked: Permissions, held: Permissions): void {
  const excess = [...asked].filter((permission) => !held.has(permission))
  if (excess.length > 0) {
    throw new AuthsecError(
      'invalid_scope',
      `${toPrintable(formatScope(excess))} is not within the delegation`,
      {
        hint:
          held.size > 0
            ? `What may be asked for here: ${toPrintable(formatScope(held))}.`
            : 'Nothing may be asked for here: no permission of the delegation reaches this audience.',
      },
    )
  }
}
