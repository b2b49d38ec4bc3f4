import { GRANT_TYPE_TOKEN_EXCHANGE, TOKEN_TYPE_ACCESS_TOKEN } from '../../core/claims.js'
import type { Standing, Transaction } from '../../store/store.js'
import type { Attempt } from '../audit/log.js'
import { assertExchangeable } from '../presented-tokens.js'
import type { Session } from '../sessions.js'
import { assertMayStandIn, assertStillStandsIn } from '../stand-ins.js'
import { issueCallToken, noteSubject } from './call-issuance.js'
import type { ExchangeQuestion } from './exchange-decision.js'
import { type ExchangeRequest, readExchangeRequest } from './exchange-request.js'
import type { Grant, GrantContext, TokenResponse } from './grant.js'

/**
 * Token exchange, RFC 8693: an agent's base token, a user's session or a call token becomes a call token for one
 * resource that lives seconds. Whatever it narrows stays narrow, and every condition is asked again.
 */
export const tokenExchange: Grant = {
  grantType: GRANT_TYPE_TOKEN_EXCHANGE,
  takesSessions: true,

  issue(form, context) {
    const draft = { type: 'token.exchanged' } as const
    return context.audit.attempt(draft, context.provenance, async (attempt) => {
      const { clientId } = context.presenter
      attempt.note({ actor: { type: 'client', id: clientId }, client: clientId })
      return exchange(readExchangeRequest(form, attempt), attempt, context)
    })
  },
}

async function exchange(
  request: ExchangeRequest,
  attempt: Attempt,
  context: GrantContext,
): Promise<TokenResponse> {
  // Read once: what is decided and what is written into the token have to be of one instant.
  const now = context.clock()
  const standIn = await resumeStandIn(attempt, context)
  const known = await provePresenter(request, context)
  const { resource, permissions } = request
  const { subject, actor } = await verifyTokens(request, attempt, context)
  const { mode, presenter } = context
  const { clientId } = presenter
  const place = { clientId, userId: subject.userId }
  if (standIn !== undefined) assertMayStandIn(standIn, place)
  const question = { subject, actor, clientId, resource, permissions, mode, now }
  const settle = standIn && ((transaction: Transaction) => assertStillStandsIn(standIn, place, transaction))
  const response = await issueCallToken({ request, question, known, settle }, attempt, context)
  return { issued_token_type: TOKEN_TYPE_ACCESS_TOKEN, ...response }
}

/** The session of whoever asks in the place of the client, of which the log learns; throws `login_required`. */
async function resumeStandIn(
  attempt: Attempt,
  { standInToken, sessions, presenter }: GrantContext,
): Promise<Session | undefined> {
  if (standInToken === undefined) return undefined
  const session = await sessions.resume(standInToken)
  // A session that the client holds itself is the client's.
  const isClient = session.clientId === presenter.clientId
  attempt.note({
    ...(!isClient && { actor: { type: 'user', id: session.user.id } }),
    details: { session: session.id },
  })
  return session
}

/** Proves who presents. For a base token one question answers that and what may be had, so its answer is kept. */
async function provePresenter(
  { subject, resource }: ExchangeRequest,
  { store, presenter, findPresenter }: GrantContext,
): Promise<Standing | undefined> {
  if (subject.kind.kind !== 'base') {
    await findPresenter()
    return undefined
  }
  const { clientId } = presenter
  const standing = await store.delegations.findStanding(clientId, resource)
  await presenter.prove(standing?.client ?? (await store.clients.find(clientId)))
  return standing
}

async function verifyTokens(
  request: ExchangeRequest,
  attempt: Attempt,
  { baseTokens, callTokens, sessions, presenter }: GrantContext,
): Promise<Pick<ExchangeQuestion, 'subject' | 'actor'>> {
  const { clientId } = presenter
  const verifiers = { baseTokens, callTokens, sessions, clientId }
  const subject = await request.subject.kind.verify(request.subject.token, 'subject', verifiers)
  // Noted before anything is refused: the log then tells whose token it was.
  noteSubject(attempt, subject)
  assertExchangeable(subject, 'subject')
  const actor = await request.actor?.kind.verify(request.actor.token, 'actor', verifiers)
  if (actor !== undefined) {
    attempt.note({ details: { actor_jti: actor.jti } })
    assertExchangeable(actor, 'actor')
  }
  return { subject, actor }
}
