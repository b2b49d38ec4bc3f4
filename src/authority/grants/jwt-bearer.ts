import { GRANT_TYPE_JWT_BEARER } from '../../core/claims.js'
import { AuthsecError } from '../../core/errors.js'
import type { ParsedJwt } from '../../core/jwt.js'
import { quote } from '../../core/printable.js'
import type { Json, JsonObject } from '../../core/strict-json.js'
import { compareTrust } from '../../core/trust-rule.js'
import type { Queries, Transaction, TrustRule } from '../../store/store.js'
import type { Attempt } from '../audit/log.js'
import { parsePresented } from '../call-tokens.js'
import { hasClientSignature } from '../client-keys.js'
import { readBaseToken } from '../presented-tokens.js'
import { issueCallToken, noteSubject } from './call-issuance.js'
import { readCallRequest } from './exchange-request.js'
import type { Grant, GrantContext, TokenResponse } from './grant.js'

/** How far the clock of another issuer may be off, in seconds. */
const CLOCK_TOLERANCE = 30

/**
 * The identity token of a job as an authorization grant, RFC 7523 §2.1: where a trust rule of the client believes it,
 * it stands for the client's own base token, and proves at once who asks.
 */
export const jwtBearer: Grant = {
  grantType: GRANT_TYPE_JWT_BEARER,

  issue(form, context) {
    const draft = { type: 'token.exchanged', details: { subject_token: 'assertion' } } as const
    return context.audit.attempt(draft, context.provenance, async (attempt) => {
      const { clientId, method } = context.presenter
      attempt.note({ actor: { type: 'client', id: clientId }, client: clientId })
      if (method !== 'none') {
        throw new AuthsecError(
          'invalid_request',
          'the assertion is the proof: send client_id alone beside it',
        )
      }
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
  const settle = (transaction: Transaction) => assertStands(rule, transaction)
  return issueCallToken({ request, question, known, settle }, attempt, context)
}

/**
 * Throws `invalid_grant` unless a rule of the client believes the assertion (RFC 7523 §3), naming what does not match.
 */
async function assertTrusted(
  assertion: ParsedJwt,
  now: number,
  attempt: Attempt,
  { store, presenter, issuerKeys }: GrantContext,
): Promise<{ rule: TrustRule; expiresAt: number }> {
  const { iss } = assertion.claims
  attempt.note({ details: { assertion: describeAssertion(assertion) } })
  const rules = (await store.trustRules.list(presenter.clientId)).filter(({ issuer }) => issuer === iss)
  const [first] = rules
  if (first === undefined) {
    throw refused(`no trust rule of the client believes the issuer ${quote(iss, 200)}`)
  }
  const { kid } = assertion.header
  const keys = await issuerKeys.find(first.issuer, typeof kid === 'string' ? kid : undefined)
  if (!hasClientSignature(keys, assertion)) throw refused('no key of its issuer has signed the assertion')
  const expiresAt = readExpiry(assertion, now)
  const compared = rules.map((rule) => ({ rule, fields: compareTrust(rule, assertion.claims) }))
  const rule = compared.find(({ fields }) => fields.every(({ matches }) => matches))?.rule
  if (rule !== undefined) {
    attempt.note({ details: { trust_rule: rule.name } })
    return { rule, expiresAt }
  }
  const misses = compared.map(({ rule: { name }, fields }) => {
    const wrong = fields.filter(({ matches }) => !matches).map(({ field }) => field)
    return `${quote(name)} wants another ${wrong.join(', ')}`
  })
  throw refused(`no trust rule matches: ${misses.join('; ')}`)
}

// Of what nobody has verified yet, only texts: they are cut to their length in the record.
function describeAssertion({ claims }: ParsedJwt): JsonObject {
  const texts = ['iss', 'sub', 'jti'].map((name) => [name, claims[name]])
  return Object.fromEntries(texts.filter(([, value]) => typeof value === 'string'))
}

function readExpiry({ claims: { exp, nbf, iat } }: ParsedJwt, now: number): number {
  if (!isTime(exp)) throw refused('the assertion has no exp')
  if (exp <= now) throw refused('the assertion has expired')
  for (const begin of [nbf, iat]) {
    if (begin !== undefined && !(isTime(begin) && begin <= now + CLOCK_TOLERANCE)) {
      throw refused('the assertion begins later')
    }
  }
  return Math.floor(exp)
}

async function assertStands({ name, createdAt }: TrustRule, { trustRules }: Queries): Promise<void> {
  if ((await trustRules.find(name))?.createdAt === createdAt) return
  throw refused('the trust rule stands no more')
}

function isTime(value: Json | undefined): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

function refused(why: string): AuthsecError {
  return new AuthsecError('invalid_grant', why, {
    hint: 'See field by field what does not match: authsec ci oidc --explain.',
  })
}
