import { narrowTerms } from '../../core/call-terms.js'
import type { CallClaims } from '../../core/claims.js'
import { callLifetime } from '../../core/delegation.js'
import type { Standing, Transaction } from '../../store/store.js'
import type { Attempt } from '../audit/log.js'
import type { PresentedToken } from '../presented-tokens.js'
import { type SignedJwt, type SigningKey, signToken } from '../signer.js'
import { createTimeOrderedId } from '../time-ordered-id.js'
import { formatGrantedDetails } from './authorization-details.js'
import { createCallClaims, typeOfCall } from './call-claims.js'
import { decideExchange, type ExchangeQuestion, readGrounds } from './exchange-decision.js'
import type { CallRequest } from './exchange-request.js'
import type { GrantContext, TokenResponse } from './grant.js'

/** A call token that is asked for, once it is clear on whose authority. */
export interface CallIssuance {
  request: CallRequest
  question: ExchangeQuestion
  /** The presenter's own standing, where it has been read. */
  known: Standing | undefined
  /** What else has to hold, or to be written down, in the transaction that commits it; throws where it cannot be. */
  settle?: ((transaction: Transaction) => Promise<void>) | undefined
}

/**
 * Decides, signs and records a call token. Every condition is asked once more where something has changed before the
 * record is durable.
 */
export async function issueCallToken(
  { request, question, known, settle }: CallIssuance,
  attempt: Attempt,
  context: GrantContext,
): Promise<TokenResponse> {
  const { store, issuer, tenantId } = context
  const { subject, now } = question
  const grounds = await readGrounds(store, question, known)
  const decision = decideExchange(grounds, question)
  const { standing, permissions } = decision
  const terms = narrowTerms(subject.terms, request.terms)
  const issuedAt = Math.floor(now / 1000)
  const lifetime = callLifetime(request.ttlSeconds, subject.expiresAt, issuedAt, context.maxCallTtl)
  const [jti, txn] = [createTimeOrderedId(now), createTimeOrderedId(now)]
  const issuance = { issuer, tenantId, jti, txn, auditId: attempt.eventId, issuedAt, lifetime, terms }
  const claims = createCallClaims(request, subject, decision, issuance)

  const key = context.callKey(standing.resource?.signingAlg ?? 'ES256')
  const signed = await signToken(key, { typ: typeOfCall(claims), kid: key.kid }, claims)
  await attempt.commit(async (transaction) => {
    if ((await transaction.delegations.revision()) !== grounds.revision) {
      // Something changed since it was decided: what has been signed must still be allowed.
      decideExchange(await readGrounds(transaction, question), { ...question, permissions })
    }
    await settle?.(transaction)
    await context.assertSigning(key, transaction)
    // Only now: a refusal names no token that nobody has.
    noteIssuance(attempt, claims, signed, standing, key)
  })

  return {
    access_token: signed.token,
    token_type: 'Bearer',
    expires_in: lifetime,
    scope: claims.scope,
    authorization_details: request.hasDetails ? formatGrantedDetails(claims) : undefined,
    authsec_audit: attempt.eventId,
  }
}

/** Notes on whose authority a call token is asked for. */
export function noteSubject(attempt: Attempt, { kind, userId, jti, act, txn, root }: PresentedToken): void {
  attempt.note({
    subject: { type: 'user', id: userId },
    parent_jti: jti,
    details: kind === 'base' ? undefined : { subject_token: kind },
    act,
    txn,
    delegation: root.delegation,
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
      tool,
      bind,
      one_time: oneTime,
      may_act: mayAct && { ...mayAct },
    },
    token_hash: signed.tokenHash,
    kid: key.kid,
    txn: claims.txn,
  })
}
