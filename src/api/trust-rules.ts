import { isJsonObject, type Json } from '../core/strict-json.js'
import type { TrustTerms } from '../core/trust-rule.js'
import { readShape, type Shaped, unexpected } from './answer.js'
import { type ApiTarget, callServer } from './http.js'
import { type Explanation, explainAbsence, type Refusal } from './refusal.js'

const TRUST_RULE = {
  name: 'text',
  /** The agent that they act as. */
  client_id: 'text',
  /** Exactly the `iss` of their identity tokens. */
  issuer: 'text',
  /** Exactly the `aud`, or one of several. */
  audience: 'text',
  /** A pattern for the whole `sub`. */
  subject: 'text',
  /** RFC 3339. */
  created_at: 'text?',
} as const

/** Which jobs of another issuer may act as a client. */
export type TrustRule = Shaped<typeof TRUST_RULE> & Pick<TrustTerms, 'claims'>

const PATH = '/admin/trust-rules'

/** Lets the jobs of another issuer act as a client; throws `conflict` when the name is taken. */
export async function createTrustRule(
  target: ApiTarget,
  { clientId, ...rule }: TrustTerms & { name: string; clientId: string },
): Promise<TrustRule> {
  const body = await callServer(target, {
    method: 'POST',
    path: PATH,
    session: 'required',
    json: { ...rule, client_id: clientId },
    explain: explainAbsence(target, 'trust rules', /client/i),
  })
  return readTrustRule(body)
}

/** Every trust rule. */
export async function listTrustRules(target: ApiTarget): Promise<TrustRule[]> {
  const body = await callServer(target, {
    method: 'GET',
    path: PATH,
    session: 'required',
    explain: explainAbsence(target, 'trust rules'),
  })
  if (Array.isArray(body)) return body.map(readTrustRule)
  throw unexpected('the list of trust rules is not an array')
}

/** Reads one trust rule; throws `not_found`. */
export async function findTrustRule(target: ApiTarget, name: string): Promise<TrustRule> {
  const path = `${PATH}/${encodeURIComponent(name)}`
  const request = { method: 'GET', path, session: 'required', explain: explainMissing(name) } as const
  return readTrustRule(await callServer(target, request))
}

/** Deletes a trust rule, under which no token is issued from then on; throws `not_found`. */
export async function deleteTrustRule(target: ApiTarget, name: string): Promise<void> {
  const path = `${PATH}/${encodeURIComponent(name)}`
  const request = { method: 'DELETE', path, session: 'required', explain: explainMissing(name) } as const
  readShape(await callServer(target, request), { name: 'text' }, 'answer')
}

/** Checks a trust rule, wherever it comes from; throws `server_error` naming the member that is not as agreed. */
export function readTrustRule(value: Json): TrustRule {
  const rule = readShape(value, TRUST_RULE, 'trust rule')
  const claims = rule['claims'] ?? {}
  if (isJsonObject(claims) && Object.values(claims).every((pattern) => typeof pattern === 'string')) {
    return { ...rule, claims: claims as Record<string, string> }
  }
  throw unexpected('the trust rule has no claims')
}

function explainMissing(name: string): (refusal: Refusal) => Explanation | undefined {
  return ({ status, error }) =>
    status === 404 && /trust rule/i.test(error)
      ? { code: 'not_found', message: `no trust rule ${name}`, hint: 'See authsec trust list.' }
      : undefined
}
