import { narrowTerms } from '../../core/call-terms.js'
import { type CallClaims, GRANT_TYPE_TOKEN_EXCHANGE, TOKEN_TYPE_ACCESS_TOKEN } from '../../core/claims.js'
import { callLifetime } from '../../core/delegation.js'
import type { Standing } from '../../store/store.js'
import type { Attempt } from '../audit/log.js'
import type { PresentedToken } from '../presented-tokens.js'
import { type SignedJwt, type SigningKey, signToken } from '../signer.js'
import { createTimeOrderedId } from '../time-ordered-id.js'
import { formatGrantedDetails } from './authorization-details.js'
import { createCallClaims, typeOfCall } from './call-claims.js'
import { decideExchange, type ExchangeQuestion, readGrounds } from './exchange-decision.js'
import { type ExchangeRequest, readExchangeRequest } from './exchange-request.js'
import type { Grant, GrantContext, TokenResponse } from './grant.js'

/**
 * Token exchange, RFC 8693: an agent's base token, a user's session or a call token becomes a call token for one
 * resource that lives seconds. Whatever it narrows stays narrow, and every condition is asked again.
 */
export const tokenExchange: Grant = {
  grantType: GRANT_TYPE_TOKEN_EXCHANGE,

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
  const { store, clock, issuer, tenantId } = context
  // Read once: what is decided and what is written into the token have to be of one instant.
  const now = clock()
  const known = await provePresenter(request, context)
  const question = { ...request, ...(await verifyTokens(request, attempt, context)), now }
  const { subject } = question

  const grounds = await readGrounds(store, question, known)
  const decision = decideExchange(grounds, question)
  const { standing, permissions } = decision
  const terms = narrowTerms(subject.terms, request.terms)
  const issuedAt = Math.floor(now / 1000)
  const lifetime = callLifetime(request.ttlSeconds, subject.expiresAt, issuedAt, context.maxCallTtl)
  const jti = createTimeOrderedId(now)
  const issuance = { issuer, tenantId, jti, auditId: attempt.eventId, issuedAt, lifetime, terms }
  const claims = createCallClaims(request, subject, decision, issuance)

  const key = context.callKey(standing.resource?.signingAlg ?? 'ES256')
  const signed = await signToken(key, { typ: typeOfCall(claims), kid: key.kid }, claims)
  await attempt.commit(async (transaction) => {
    if ((await transaction.delegations.revision()) !== grounds.revision) {
      // Something changed since it was decided: what has been signed must still be allowed.
      decideExchange(await readGrounds(transaction, question), { ...question, permissions })
    }
    await context.assertSigning(key, transaction)
    // Only now: a refusal names no token that nobody has.
    noteIssuance(attempt, claims, signed, standing, key)
  })

  return {
    access_token: signed.token,
    issued_token_type: TOKEN_TYPE_ACCESS_TOKEN,
    token_type: 'Bearer',
    expires_in: lifetime,
    scope: claims.scope,
    ...(request.hasDetails && { authorization_details: formatGrantedDetails(claims) }),
    authsec_audit: attempt.eventId,
  }
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
  { baseTokens, callTokens, sessions, presenter, mode }: GrantContext,
): Promise<Pick<ExchangeQuestion, 'subject' | 'actor' | 'clientId' | 'mode'>> {
  const { clientId } = presenter
  const verifiers = { baseTokens, callTokens, sessions, clientId }
  const subject = await request.subject.kind.verify(request.subject.token, 'subject', verifiers)
  noteSubject(attempt, subject)
  const actor = await request.actor?.kind.verify(request.actor.token, 'actor', verifiers)
  if (actor !== undefined) attempt.note({ details: { actor_jti: actor.jti } })
  return { subject, actor, clientId, mode }
}

function noteSubject(attempt: Attempt, { kind, userId, jti, act, txn, root }: PresentedToken): void {
  attempt.note({
    subject: { type: 'user', id: userId },
    parent_jti: jti,
    ...(kind !== 'base' && { details: { subject_token: kind } }),
    ...(act && { act }),
    ...(txn !== undefined && { txn }),
    ...(root.delegation !== undefined && { delegation: root.delegation }),
  })
}

function noteIssuance(
  attempt: Attempt,
  claims: CallClaims,
  signed: SignedJwt,
  { delegation, policy }: Standing,
  key: SigningKey,
): void {
  const { bind, one_time: oneTime, may_act: mayAct, tool } = claims
  attempt.note({
    act: claims.act,
    jti: claims.jti,
    delegation: delegation.id,
    policy: policy.id,
    permissions: { granted: claims.permissions },
    details: {
      expires_in: claims.exp - claims.iat,
      ...(tool !== undefined && { tool }),
      ...(bind && { bind }),
      ...(oneTime && { one_time: true }),
      ...(mayAct && { may_act: { ...mayAct } }),
    },
    token_hash: signed.tokenHash,
    kid: key.kid,
    txn: claims.txn,
  })
}
