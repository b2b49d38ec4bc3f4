import type { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { JsonObject } from '../core/strict-json.js'
import type { Expectation } from './expectation.js'
import type { Profile } from './profile.js'
import type { Settings } from './settings.js'
import type { Trust } from './trust.js'

/** A token on the table: what stands in it, and everything it is measured by. */
export interface Presented {
  header: JsonObject
  claims: JsonObject
  profile: Profile
  trust: Trust
  settings: Settings
  expect: Expectation
  /** Seconds since the epoch. */
  now: number
  /** Whether the key that its header means made the signature; undefined until that was looked at. */
  isSigned: boolean | undefined
}

/** One thing that is asked of a token. */
export interface Check {
  readonly name: CheckName
  /** Why there is nothing to check here; left out by a check that always applies. */
  skip?(token: Presented): string | undefined
  /** Why the token does not pass, or undefined when it does. Nothing in the token is trusted to have a type. */
  refuse(token: Presented): AuthsecError | undefined
  /** What was found, in a few words, of a token that passes. */
  describe(token: Presented): string
}

export type CheckName =
  | 'algorithm'
  | 'header'
  | 'type'
  | 'key'
  | 'issuer'
  | 'audience'
  | 'tenant'
  | 'expiry'
  | 'start'
  | 'lifetime'
  | 'signature'
  | 'claims'
  | 'scope'
  | 'permissions'
  | 'chain'
  | 'tool'
  | 'binding'
  | 'call'

/** Throws the first refusal. */
export function assertChecks(checks: readonly Check[], presented: Presented): void {
  for (const check of checks) {
    const refusal = check.refuse(presented)
    if (refusal !== undefined) throw refusal
  }
}

const MAX_SHOWN = 3

/** A value of a token as it appears in a refusal. */
export function show(value: unknown): string {
  return value === undefined ? 'missing' : quote(value)
}

/** Several values as they appear in a refusal; of many the first few. */
export function showList(values: readonly unknown[]): string {
  if (values.length === 0) return 'missing'
  const rest = values.length - MAX_SHOWN
  return values.slice(0, MAX_SHOWN).map(show).join(' or ') + (rest > 0 ? ` or ${rest} more` : '')
}
