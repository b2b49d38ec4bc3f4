import { unknownMember } from '../core/option-checks.js'
import { isJsonObject, type JsonObject } from '../core/strict-json.js'

/** What a route asks of a delegation beyond its being genuine. */
export interface Expectation {
  /** Permissions of which the token has to carry every one. */
  permissions?: readonly string[]
  /** Permissions of which the token has to carry at least one. */
  anyPermission?: readonly string[]
  /** The tool, or one of the tools, that the token has to be issued for. */
  tool?: string | readonly string[]
  /**
   * The arguments of the call as they have arrived: the token has to be bound to exactly them. Needs `tool`, which is
   * a part of what is bound.
   */
  call?: JsonObject
  /** Whether the token has to be good for this one use only. Needs the verifier's `replay`. */
  oneTime?: true
}

// A permission as it stands in `scope`, RFC 6749 §3.3: nothing that could end a header value or a list.
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/

const MEMBERS: Readonly<Record<keyof Expectation, (value: unknown) => boolean>> = {
  permissions: isPermissionList,
  anyPermission: (value) => isPermissionList(value) && value.length > 0,
  tool: (value) => (Array.isArray(value) ? value.length > 0 && value.every(isName) : isName(value)),
  call: isJsonObject,
  oneTime: (value) => value === true,
}

/**
 * Throws `configuration` for a member that there is not and a `TypeError` for one that could not be held to: misspelt, or
 * there but undefined, it would be a check that never happens.
 */
export function assertExpectation(expect: unknown): asserts expect is Expectation {
  if (typeof expect !== 'object' || expect === null) throw new TypeError('an expectation is an object')
  // Inherited ones as well, which are read like the others.
  for (const name in expect) {
    if (!Object.hasOwn(MEMBERS, name)) throw unknownMember('an expectation', name, MEMBERS)
    if (!MEMBERS[name as keyof Expectation](expect[name as keyof object])) {
      throw new TypeError(`the expectation's "${name}" is not as it has to be`)
    }
  }
  if ('call' in expect && !('tool' in expect)) {
    throw new TypeError('the expectation\'s "call" needs its "tool"')
  }
}

/** Whether a value is a list of permissions that `scope` can carry. */
export function isPermissionList(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string' && SCOPE_TOKEN.test(item))
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}
