import { AuthsecError } from '../../core/errors.js'
import type { Permissions } from '../../core/permission.js'
import { policyRefusal } from '../../core/policy.js'
import { assertMayAct, assertPresenter } from '../../core/presenting.js'
import { quote } from '../../core/printable.js'
import type { Client, Queries, Standing } from '../../store/store.js'
import type { Mode } from '../client-authentication.js'
import { assertConsent } from '../consent.js'
import { decideLiveness, type Liveness, readLiveness } from '../liveness.js'
import type { PresentedToken } from '../presented-tokens.js'
import { decideStanding, type StandingDecision } from '../standing.js'

/** What is exchanged, by whom and for what. */
export interface ExchangeQuestion {
  subject: PresentedToken
  /** What proves that the presenter acts, where something does. */
  actor: PresentedToken | undefined
  /** The client that authenticated: the actor of what is issued. */
  clientId: string
  resource: string
  /** Undefined means everything that remains. */
  permissions: Permissions | undefined
  mode: Mode
  /** Milliseconds since the epoch. */
  now: number
}

/** Everything in the store that decides an exchange. */
export interface ExchangeGrounds {
  subject: Liveness
  actor: Liveness | undefined
  presenter: Pick<Client, 'id' | 'agentType' | 'spiffeId' | 'active'> | undefined
  /** The client that runs the API of a call token. */
  owner: string | undefined
  /** While the revision stands so does all of this; undefined where a revision does not tell. */
  revision: number | undefined
}

/** What may be issued, on what authority, and who acts. */
export interface ExchangeDecision extends StandingDecision {
  actor: { sub: string; client_id: string }
}

/**
 * Reads what decides an exchange. `known` is the presenter's own standing where it has been read: a client that
 * exchanges its own base token needs nothing more.
 */
export async function readGrounds(
  queries: Queries,
  question: ExchangeQuestion,
  known?: Standing,
): Promise<ExchangeGrounds> {
  const { subject, actor, clientId, resource } = question
  if (subject.kind === 'base' && subject.holder === clientId && actor === undefined) {
    const standing = known ?? (await queries.delegations.findStanding(clientId, resource))
    return {
      subject: { standing, actorsActive: true },
      actor: undefined,
      presenter: standing?.client,
      owner: undefined,
      revision: standing?.revision,
    }
  }
  const api = subject.audience === undefined ? undefined : await queries.resources.find(subject.audience)
  return {
    subject: await readLiveness(queries, subject, resource),
    actor: actor && (await readLiveness(queries, actor, resource)),
    presenter: await queries.clients.find(clientId),
    owner: api?.clientId,
    revision: undefined,
  }
}

/**
 * What an exchange may issue, or why it may not: pure, so that the same is asked before the token is signed and again
 * in the transaction that commits it. Throws the codes of RFC 8693 §2.2.2 as design 4 §4 assigns them.
 */
export function decideExchange(grounds: ExchangeGrounds, question: ExchangeQuestion): ExchangeDecision {
  const { subject, clientId, now } = question
  assertPresenter(subject.kind, { presenter: clientId, holder: subject.holder, owner: grounds.owner })
  const presenter = grounds.presenter ?? { id: clientId, active: true }
  if (subject.kind !== 'base' && !presenter.active) {
    throw new AuthsecError('invalid_client', 'the client is not active')
  }
  const actor = { sub: presenter.spiffeId ?? presenter.id, client_id: presenter.id }
  assertActor(grounds, question)
  assertMayAct(subject.mayAct, question.actor && actor)
  if (subject.kind === 'session') assertMayActForUser(grounds, question)
  const standing = decideLiveness(grounds.subject, subject, 'subject', now)
  const { root, permissions: ceiling } = subject
  const { resource, permissions } = question
  const asked = { jti: root.jti, delegation: root.delegation, now, resource, permissions, ceiling }
  return { actor, ...decideStanding(standing, asked) }
}

function assertActor({ actor: liveness }: ExchangeGrounds, { actor, clientId, now }: ExchangeQuestion): void {
  if (actor === undefined || liveness === undefined) return
  if (actor.holder !== clientId) {
    throw new AuthsecError('invalid_grant', 'the actor token does not name the client that presents it')
  }
  decideLiveness(liveness, actor, 'actor', now)
}

// A user's session is no client's: which client may act in the user's name is a matter of policy and of consent.
function assertMayActForUser(
  { subject: { standing }, presenter }: ExchangeGrounds,
  { subject, clientId, mode }: ExchangeQuestion,
): void {
  const refusal =
    standing === undefined
      ? 'agent_type'
      : policyRefusal(standing.policy, { ...standing.client, id: clientId })
  if (refusal !== undefined) {
    throw new AuthsecError(
      'unauthorized_client',
      `no policy lets the user delegate to agent type ${quote(presenter?.agentType ?? 'none')} (${refusal})`,
      { hint: 'Create one first: authsec policy create --role … --agent-type …' },
    )
  }
  assertConsent({ userId: subject.userId, clientId, holder: subject.holder, mode })
}
