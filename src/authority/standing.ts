import { reachesResource } from '../core/delegation.js'
import { AuthsecError } from '../core/errors.js'
import { assertNarrower, intersectPermissions, type Permissions } from '../core/permission.js'
import { delegablePermissions, policyRefusal } from '../core/policy.js'
import { quote } from '../core/printable.js'
import type { Standing } from '../store/store.js'

/** What is asked of a delegation. */
export interface StandingRequest extends RootReference {
  resource: string
  /** Undefined means everything that remains. */
  permissions: Permissions | undefined
  /** What the subject token carries, where it carries less than its root. */
  ceiling?: Permissions | undefined
}

/** Of which root a standing has to be, and when. */
export interface RootReference {
  /** The base token or session. */
  jti: string
  /** The id of the row, where it is known. */
  delegation?: string | undefined
  /** Milliseconds since the epoch. */
  now: number
}

/** What may be issued, and on what authority. */
export interface StandingDecision {
  standing: Standing
  permissions: Permissions
}

/**
 * What a base token is worth now: it is a ceiling, and every condition under which it was granted is asked
 * again. Throws `invalid_grant` when the delegation no longer stands, `invalid_target` for a resource outside
 * it and `invalid_scope` for a permission outside it.
 */
export function decideStanding(standing: Standing | undefined, request: StandingRequest): StandingDecision {
  assertStanding(standing, request)
  const { delegation, user, policy, resource } = standing
  if (
    resource === undefined ||
    !reachesResource(delegation.resources, resource.uri) ||
    !reachesResource(policy.resources, resource.uri)
  ) {
    throw outsideDelegation(request.resource, delegation.resources)
  }
  const held = intersectPermissions(
    delegation.permissions,
    delegablePermissions(user.permissions, policy),
    new Set(resource.permissions),
    ...(request.ceiling ? [request.ceiling] : []),
  )
  const asked = request.permissions ?? held
  assertNarrower(asked, held)
  if (asked.size === 0) {
    throw new AuthsecError(
      'invalid_scope',
      `the delegation holds no permission for ${quote(resource.uri, 200)}`,
    )
  }
  return { standing, permissions: asked }
}

/** Throws `invalid_grant` unless every condition under which a root was granted still holds. */
export function assertStanding(
  standing: Standing | undefined,
  { jti, delegation: id, now }: RootReference,
): asserts standing is Standing {
  if (standing === undefined) throw dead('the client has no delegation')
  const { delegation, client, user, policy } = standing
  if (delegation.status !== 'active') throw dead(`the delegation is ${delegation.status}`)
  if (delegation.expiresAt <= now) throw dead('the delegation has expired')
  if (delegation.jti !== jti || delegation.id !== (id ?? delegation.id)) {
    throw dead('the subject token has been replaced by a newer one')
  }
  if (!client.active) throw dead('the client is not active')
  if (!user.active) throw dead('the delegating user is not active')
  if (!user.roles.includes(policy.roleName))
    throw dead('the delegating user no longer has the role of the policy')
  const refusal = policyRefusal(policy, client)
  if (refusal !== undefined) throw dead(`the policy no longer applies (${refusal})`)
}

function dead(why: string): AuthsecError {
  return new AuthsecError('invalid_grant', why, {
    hint: 'Ask an admin to delegate again: authsec delegation grant.',
  })
}

function outsideDelegation(resource: string, resources: readonly string[]): AuthsecError {
  return new AuthsecError('invalid_target', `${quote(resource, 200)} is not within the delegation`, {
    hint: `The delegation reaches: ${resources.join(', ')}.`,
  })
}
