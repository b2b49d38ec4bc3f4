import type { Check } from './check.js'
import { audience, chain, claims, expiry, issuer, lifetime, scope, start, tenant } from './claim-checks.js'
import { binding, call, permissions, tool } from './demand-checks.js'
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
  call,
]

/** What needs no key: the form of the header and the claims that are cheap to look at. */
export const KEYLESS_CHECKS: readonly Check[] = CHECKS.slice(0, CHECKS.indexOf(signature))

/** The signature, and the claims that are looked at once it holds: with them a token is genuine. */
export const GENUINENESS_CHECKS: readonly Check[] = [signature, claims, scope]

/** What the route demands of a genuine token. */
export const DEMAND_CHECKS: readonly Check[] = CHECKS.slice(CHECKS.indexOf(permissions))

/** What time can change about a token that was genuine before. */
export const TIME_CHECKS: readonly Check[] = [expiry, start]
