import type { AuthsecError, ErrorCode } from '../core/errors.js'
import { toPrintable } from '../core/printable.js'
import type { JsonObject } from '../core/strict-json.js'
import type { Check, CheckName, Presented } from './check.js'
import { CHECKS } from './checks.js'
import type { ProfileName } from './profile.js'

/** What every check found. */
export interface Inspection {
  verified: boolean
  /** In the order in which `verify` makes them. */
  checks: readonly CheckResult[]
  /** As which kind of token it was looked at; undefined, like the two below, when it could not be read. */
  profile: ProfileName | undefined
  header: JsonObject | undefined
  claims: JsonObject | undefined
}

export interface CheckResult {
  name: 'format' | CheckName
  outcome: 'ok' | 'failed' | 'skipped'
  /** A few printable words: what was found, why it failed or why there was nothing to check. */
  detail: string
  /** The code with which `verify` would throw; of a failed check only. */
  code?: ErrorCode
}

/** Makes every check, or those that are given, of a token whose key has been looked for. */
export function reportChecks(presented: Presented, list: readonly Check[] = CHECKS): Inspection {
  const checks = list.map((check) => reportCheck(check, presented))
  return {
    verified: checks.every(({ outcome }) => outcome !== 'failed'),
    checks: [{ name: 'format', outcome: 'ok', detail: 'a signed JWT' }, ...checks],
    profile: presented.profile.name,
    header: presented.header,
    claims: presented.claims,
  }
}

/** Reports a token of which nothing but the form could be checked. */
export function reportUnreadable(refusal: AuthsecError): Inspection {
  const skipped = CHECKS.map(({ name }): CheckResult => {
    return { name, outcome: 'skipped', detail: 'the token is not readable' }
  })
  return {
    verified: false,
    checks: [{ name: 'format', ...describeRefusal(refusal) }, ...skipped],
    profile: undefined,
    header: undefined,
    claims: undefined,
  }
}

function reportCheck(check: Check, presented: Presented): CheckResult {
  const reason = check.skip?.(presented)
  if (reason !== undefined) return { name: check.name, outcome: 'skipped', detail: reason }
  const refusal = check.refuse(presented)
  if (refusal !== undefined) return { name: check.name, ...describeRefusal(refusal) }
  return { name: check.name, outcome: 'ok', detail: toPrintable(check.describe(presented)) }
}

function describeRefusal({ message, code }: AuthsecError): Omit<CheckResult, 'name'> {
  return { outcome: 'failed', detail: toPrintable(message), code }
}
