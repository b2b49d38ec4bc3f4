import type { Check } from './check.js'
import { audience, chain, claims, expiry, issuer, lifetime, scope, start, tenant } from './claim-checks.js'
import { binding, permissions, tool } from './demand-checks.js'
import { algorithm, header, key, signature, type } from './header-checks.js'

/**
 * Every check of a token in its order: what is cheap before what is costly, what needs no key before a key is
 * looked for, what the route demands after what makes the token genuine. `verify` throws the first refusal,
 * `inspect` reports all of them.
 */
export const CHECKS: readonly Check[] = [
  algorithm,
  header,
  type,
  key,
  issuer,
  audience,
  tenant,
  expiry,
  start,
  lifetime,
  signature,
  claims,
  scope,
  permissions,
  chain,
  tool,
  binding,
]

/** The checks that need no key. */
export const KEYLESS_CHECKS: readonly Check[] = CHECKS.slice(0, CHECKS.indexOf(signature))

/** The signature and what follows it. */
export const KEYED_CHECKS: readonly Check[] = CHECKS.slice(CHECKS.indexOf(signature))
