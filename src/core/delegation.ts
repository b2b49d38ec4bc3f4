import type { ActorClaim } from './claims.js'
import { AuthsecError } from './errors.js'
import { quote } from './printable.js'

/** How long a call token lives when nobody says, in seconds. */
export const DEFAULT_CALL_TTL = 60
/** The longest life of a call token, in seconds. */
export const MAX_CALL_TTL = 300
/** How long a base token lives when nobody says, in seconds. */
export const DEFAULT_BASE_TTL = 3_600
/** The longest life of a base token, in seconds. */
export const MAX_BASE_TTL = 86_400
/** How many actors a chain may name, the current one included. */
export const MAX_CHAIN_DEPTH = 5

/** AuthSec's name for itself as an audience: in a grant it stands for every resource of the policy. */
export const AUTHSEC_AUDIENCE = 'authsec-api'
/** In a policy: every resource that is registered. */
export const ANY_RESOURCE = '*'

/**
 * The life of a call token in seconds: what was asked for, never past its parent. Throws `invalid_request` below 1 and
 * above the `longest` that a server allows, and `invalid_grant` when the parent has no whole second left.
 */
export function callLifetime(
  asked: number | undefined,
  parentExpiresAt: number,
  now: number,
  longest: number = MAX_CALL_TTL,
): number {
  const seconds = asked ?? Math.min(DEFAULT_CALL_TTL, longest)
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > longest) {
    throw new AuthsecError(
      'invalid_request',
      `ttl_seconds ${quote(seconds)} is not between 1 and ${longest}`,
      {
        hint: `A call token lives at most ${longest} seconds: ask again for each call instead.`,
      },
    )
  }
  const remaining = Math.floor(parentExpiresAt - now)
  // Written so that a NaN is refused too.
  if (!(remaining >= 1)) throw new AuthsecError('invalid_grant', 'the subject token has expired')
  return Math.min(seconds, remaining)
}

/**
 * The life of a base token in whole seconds: min(asked, policy, 24 h). Nothing asked, or less than a second,
 * means one hour, as at AuthSec.
 */
export function baseLifetime(asked: number | undefined, policyMaximum: number): number {
  const seconds = asked !== undefined && asked >= 1 ? asked : DEFAULT_BASE_TTL
  return Math.floor(Math.min(seconds, policyMaximum, MAX_BASE_TTL))
}

/**
 * The resources a grant reaches: the policy's within the audience asked for, in which `authsec-api` stands
 * for all of them. An audience outside the policy does not count; none left is an empty list.
 */
export function grantedResources(policyResources: readonly string[], audience: readonly string[]): string[] {
  if (audience.includes(AUTHSEC_AUDIENCE)) return [...policyResources]
  if (policyResources.includes(ANY_RESOURCE)) return [...new Set(audience)]
  return policyResources.filter((resource) => audience.includes(resource))
}

/** Whether a resource, byte for byte, is within the resources of a grant. */
export function reachesResource(resources: readonly string[], resource: string): boolean {
  return resources.includes(resource) || resources.includes(ANY_RESOURCE)
}

/** Puts the current actor in front of the chain so far; throws `invalid_request` beyond five actors. */
export function extendChain(actor: { sub: string; client_id: string }, chain?: ActorClaim): ActorClaim {
  const { sub, client_id } = actor
  const act: ActorClaim = chain === undefined ? { sub, client_id } : { sub, client_id, act: chain }
  if (chainDepth(act) > MAX_CHAIN_DEPTH) {
    throw new AuthsecError('invalid_request', `the actor chain is longer than ${MAX_CHAIN_DEPTH}`)
  }
  return act
}

/** How many actors a chain names. */
export function chainDepth(act: ActorClaim | undefined): number {
  let depth = 0
  for (let actor = act; actor !== undefined; actor = actor.act) depth++
  return depth
}
