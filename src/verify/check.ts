import type { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { JsonObject } from '../core/strict-json.js'
import type { Expectation } from './expectation.js'
import type { VerificationKey } from './jwk.js'
import type { Settings } from './options.js'
import type { Profile } from './profile.js'
import type { Trust } from './trust.js'

/** A token on the table: what stands in it, and everything it is measured by. */
export interface Presented {
  header: JsonObject
  claims: JsonObject
  signingInput: string
  signature: Uint8Array
  profile: Profile
  trust: Trust
  settings: Settings
  expect: Expectation
  /** Seconds since the epoch. */
  now: number
  /** The key its header means; undefined until it was looked for, or when there is none. */
  key: VerificationKey | undefined
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
