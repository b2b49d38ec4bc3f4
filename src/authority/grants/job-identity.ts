import { AuthsecError } from '../../core/errors.js'
import { isNumericDate, type ParsedJwt } from '../../core/jwt.js'
import { quote } from '../../core/printable.js'
import type { JsonObject } from '../../core/strict-json.js'
import { compareTrust } from '../../core/trust-rule.js'
import type { Queries, Transaction, TrustRule } from '../../store/store.js'
import type { Attempt } from '../audit/log.js'
import { hasClientSignature } from '../client-keys.js'
import { useAssertion } from '../used-assertions.js'
import type { GrantContext } from './grant.js'

/** How far the clock of another issuer may be off, in seconds. */
const CLOCK_TOLERANCE = 30
/** The longest life of an assertion, in seconds: a day. A job ends before that. */
const MAX_LIFE = 86_400

/**
 * Throws `invalid_grant` unless a rule of the client believes the assertion (RFC 7523 §3), naming what does not match.
 */
export async function assertTrusted(
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
  const { kid, typ } = assertion.header
  const keys = await issuerKeys.find(first.issuer, typeof kid === 'string' ? kid : undefined)
  if (!hasClientSignature(keys, assertion)) throw refused('no key of its issuer has signed the assertion')
  // An access token of the issuer is not the identity of a job (RFC 8725 §3.11).
  if (typ !== undefined && !(typeof typ === 'string' && typ.toLowerCase() === 'jwt')) {
    throw refused(`the assertion is no identity token: its type is ${quote(typ)}`)
  }
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
  if (!isNumericDate(exp)) throw refused('the assertion has no exp')
  if (exp <= now) throw refused('the assertion has expired')
  if (exp > now + MAX_LIFE + CLOCK_TOLERANCE) throw refused('the assertion lives longer than a day')
  for (const begin of [nbf, iat]) {
    if (begin !== undefined && !(isNumericDate(begin) && begin <= now + CLOCK_TOLERANCE)) {
      throw refused('the assertion begins later')
    }
  }
  return Math.floor(exp)
}

/** Throws `invalid_grant` when the rule is gone, or another one of its name. */
export async function assertStands({ name, createdAt }: TrustRule, { trustRules }: Queries): Promise<void> {
  if ((await trustRules.find(name))?.createdAt === createdAt) return
  throw refused('the trust rule stands no more')
}

/**
 * Uses an assertion up, in the transaction that issues: whoever finds it in the log of a job has nothing. Throws
 * `invalid_grant` for one that has been used.
 *
 * GitHub signs a new one whenever a job asks, so that a job may try again. GitLab signs each of its `id_tokens` once for
 * a job: a job that wants several tokens declares several. What is refused is not used up.
 */
export async function useUp(
  { claims: { iss, jti }, signingInput }: ParsedJwt,
  { clientId, expiresAt }: { clientId: string; expiresAt: number },
  transaction: Transaction,
): Promise<void> {
  // Without a jti it is known by what is signed: signatures can be changed and stay good.
  const id = typeof jti === 'string' && jti !== '' ? jti : signingInput
  const use = { clientId, id: JSON.stringify([iss, id]), expiresAt: (expiresAt + 1) * 1000 }
  if (await useAssertion(use, transaction)) return
  throw new AuthsecError('invalid_grant', 'the assertion has been used before', {
    hint: 'Ask for another one: GitHub signs one whenever it is asked, GitLab one for each entry of id_tokens.',
  })
}

function refused(why: string): AuthsecError {
  return new AuthsecError('invalid_grant', why, {
    hint: 'See field by field what does not match: authsec ci oidc --explain.',
  })
}
