import { GRANT_TYPE_JWT_BEARER } from '../../core/claims.js'
import { AuthsecError } from '../../core/errors.js'
import type { ParsedJwt } from '../../core/jwt.js'
import type { Transaction } from '../../store/store.js'
import type { Attempt } from '../audit/log.js'
import { parsePresented } from '../call-tokens.js'
import { readBaseToken } from '../presented-tokens.js'
import { issueCallToken, noteSubject } from './call-issuance.js'
import { readCallRequest } from './exchange-request.js'
import type { Grant, GrantContext, TokenResponse } from './grant.js'
import { assertStands, assertTrusted, useUp } from './job-identity.js'

/**
 * The identity token of a job as an authorization grant, RFC 7523 §2.1: where a trust rule of the client believes it,
 * it stands for the client's own base token, and proves at once who asks. A client may prove itself beside it
 * (RFC 7521 §4.1).
 */
export const jwtBearer: Grant = {
  grantType: GRANT_TYPE_JWT_BEARER,
  provesClient: true,

  issue(form, context) {
    const draft = { type: 'token.exchanged', details: { subject_token: 'assertion' } } as const
    return context.audit.attempt(draft, context.provenance, async (attempt) => {
      const { clientId } = context.presenter
      attempt.note({ actor: { type: 'client', id: clientId }, client: clientId })
      const assertion = form.get('assertion')
      if (assertion === undefined) throw new AuthsecError('invalid_request', 'assertion is missing')
      const request = readCallRequest(form, attempt)
      return issue({ request, assertion: parsePresented(assertion, 'presented') }, attempt, context)
    })
  },
}

async function issue(
  { request, assertion }: { request: ReturnType<typeof readCallRequest>; assertion: ParsedJwt },
  attempt: Attempt,
  context: GrantContext,
): Promise<TokenResponse> {
  const { store, presenter, mode, clock } = context
  const { clientId } = presenter
  const now = clock()
  await presenter.prove(await store.clients.find(clientId))
  const { rule, expiresAt } = await assertTrusted(assertion, now / 1000, attempt, context)
  const known = await store.delegations.findStanding(clientId, request.resource)
  if (known === undefined) {
    throw new AuthsecError('invalid_grant', 'the client has no delegation', {
      hint: 'Ask an admin to delegate: authsec delegation grant.',
    })
  }
  const { delegation, user } = known
  const subject = readBaseToken({
    clientId,
    userId: user.id,
    jti: delegation.jti,
    // What stands for the base token lives no longer than either.
    expiresAt: Math.min(Math.floor(delegation.expiresAt / 1000), expiresAt),
    mayAct: undefined,
  })
  noteSubject(attempt, subject)
  const question = { ...request, subject, actor: undefined, clientId, mode, now }
  const settle = async (transaction: Transaction) => {
    await assertStands(rule, transaction)
    await useUp(assertion, { clientId, expiresAt }, transaction)
  }
  return issueCallToken({ request, question, known, settle }, attempt, context)
}
