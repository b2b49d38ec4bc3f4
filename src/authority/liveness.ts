import type { ActorClaim } from '../core/claims.js'
import { AuthsecError } from '../core/errors.js'
import type { Queries, Standing } from '../store/store.js'
import type { TokenRole } from './call-tokens.js'
import type { PresentedToken, Root } from './presented-tokens.js'
import { assertStanding } from './standing.js'

/** What decides whether a token is still alive, read from the store. */
export interface Liveness {
  /** The authority of its root as it is now; undefined where nothing is left of it. */
  standing: Standing | undefined
  /** Whether everybody who has acted so far is an active client. */
  actorsActive: boolean
  /** Whether it, or anything between its root and it, has been revoked by itself. */
  isRevoked?: boolean
}

/** Reads what decides whether a token is alive. */
export async function readLiveness(
  queries: Queries,
  token: PresentedToken,
  resource: string,
): Promise<Liveness> {
  const standing = await findStanding(queries, token.root, resource)
  if (await queries.revocations.hasAny([token.jti, ...token.ancestors])) {
    return { standing, actorsActive: true, isRevoked: true }
  }
  // The client of a root is part of its standing.
  for (const { client_id: clientId } of listActors(token.act).slice(0, -1)) {
    if (!(await queries.clients.find(clientId))?.active) return { standing, actorsActive: false }
  }
  return { standing, actorsActive: true }
}

/**
 * The authority on which a token is alive at `now`, in milliseconds since the epoch. Throws `invalid_grant` when its
 * root no longer stands, or when anything or anybody between the root and it has been revoked.
 */
export function decideLiveness(
  { standing, actorsActive, isRevoked = false }: Liveness,
  { root }: Pick<PresentedToken, 'root'>,
  role: TokenRole,
  now: number,
): Standing {
  assertStanding(standing, { now, ...root })
  if (isRevoked) throw new AuthsecError('invalid_grant', `the ${role} token has been revoked`)
  if (!actorsActive) throw new AuthsecError('invalid_grant', `an actor of the ${role} token is not active`)
  return standing
}

/** The authority of a root as it is now, with what a resource may carry of it. */
async function findStanding(queries: Queries, root: Root, resource: string): Promise<Standing | undefined> {
  if (root.grant === 'standing') return queries.delegations.findStanding(root.clientId, resource)

  // A user's session takes the place of the row: it holds what its user may delegate to this kind of agent.
  const session = await queries.sessions.find(root.jti)
  const user = await queries.users.find(root.userId)
  const client = await queries.clients.find(root.clientId)
  if (user === undefined || client?.agentType === undefined) return undefined
  const policy = await queries.policies.findApplicable(user.roles, client.agentType, client.id)
  if (policy === undefined) return undefined
  return {
    delegation: {
      id: root.jti,
      jti: root.jti,
      status: session?.userId === root.userId ? 'active' : 'revoked',
      expiresAt: session?.expiresAt ?? 0,
      permissions: session?.permissions ?? [...user.permissions],
      resources: policy.resources,
    },
    client,
    user,
    policy,
    resource: await queries.resources.find(resource),
    revision: await queries.delegations.revision(),
  }
}

// The current actor first, the root's client last.
function listActors(act: ActorClaim | undefined): ActorClaim[] {
  const actors: ActorClaim[] = []
  for (let actor = act; actor !== undefined; actor = actor.act) actors.push(actor)
  return actors
}
