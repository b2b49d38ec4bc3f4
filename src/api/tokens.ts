import { GRANT_TYPE_JWT_BEARER, GRANT_TYPE_TOKEN_EXCHANGE } from '../core/claims.js'
import { readShape, type Shaped } from './answer.js'
import { type ApiTarget, callServer } from './http.js'
import type { Explanation, Refusal } from './refusal.js'

const BASE_TOKEN = {
  token: 'text',
  expires_at: 'text',
  permissions: 'texts',
  audience: 'texts',
  spiffe_id: 'text?',
} as const

const CALL_TOKEN = {
  access_token: 'text',
  token_type: 'text',
  expires_in: 'number',
  scope: 'text?',
  authsec_audit: 'text?',
} as const

const INTROSPECTION = { active: 'flag' } as const

/** What a server says about a token, RFC 7662 §2.2. */
export type Introspection = Shaped<typeof INTROSPECTION>

/** An agent's base token as AuthSec hands it out on pull. */
export type BaseToken = Shaped<typeof BASE_TOKEN>

/** The answer to a token exchange, RFC 8693 §2.2.1. */
export type CallToken = Shaped<typeof CALL_TOKEN>

/** What a call token is asked for, whatever is given for it. */
export interface CallTokenTerms {
  clientId: string
  audience: string
  /** None means everything that may be had. */
  permissions: readonly string[]
  ttlSeconds: number | undefined
  tool: string | undefined
}

export interface ExchangeTerms extends CallTokenTerms {
  /** The base token, or another one; it is sent in the body and appears nowhere else. */
  subjectToken: string
  /** What kind of token that is, RFC 8693 §3. */
  subjectTokenType: string
  actorToken?: string | undefined
  actorTokenType?: string | undefined
  /** The arguments of the one call that is meant, as JSON text. */
  call?: string | undefined
  /** Whether the session stands in for a client that has to prove who it is. */
  asPerson: boolean
}

const GRANT_HINT = 'Grant one with authsec delegation grant, or mint with --grant.'

/** Pulls the base token of an agent; throws `client_not_found`, `no_delegation` or `delegation_expired`. */
export async function pullBaseToken(target: ApiTarget, clientId: string): Promise<BaseToken> {
  const body = await callServer(target, {
    method: 'GET',
    path: '/authsec/uflow/sdk/delegation-token',
    session: 'optional',
    query: { client_id: clientId },
    explain: (refusal) => explainPull(refusal, clientId),
  })
  return readShape(body, BASE_TOKEN, 'base token')
}

/**
 * Exchanges a base token, or another one, for a call token, RFC 8693 §2.1. With `asPerson` the session stands in for a
 * client that has to prove who it is. Throws the OAuth error codes, and `login_required` without a session then.
 */
export function exchangeToken(target: ApiTarget, terms: ExchangeTerms): Promise<CallToken> {
  return requestCallToken(target, terms.asPerson ? 'required' : 'never', terms, {
    grant_type: GRANT_TYPE_TOKEN_EXCHANGE,
    subject_token: terms.subjectToken,
    subject_token_type: terms.subjectTokenType,
    actor_token: terms.actorToken,
    actor_token_type: terms.actorTokenType,
    call: terms.call,
  })
}

/** Exchanges the identity token of a job for a call token, RFC 7523 §2.1; throws the OAuth error codes. */
export function exchangeAssertion(
  target: ApiTarget,
  { assertion, ...terms }: CallTokenTerms & { assertion: string },
): Promise<CallToken> {
  return requestCallToken(target, 'never', terms, { grant_type: GRANT_TYPE_JWT_BEARER, assertion })
}

async function requestCallToken(
  target: ApiTarget,
  session: 'required' | 'never',
  { clientId, audience, permissions, ttlSeconds, tool }: CallTokenTerms,
  grant: Readonly<Record<string, string | undefined>>,
): Promise<CallToken> {
  const body = await callServer(target, {
    method: 'POST',
    path: '/oauth/token',
    session,
    form: {
      ...grant,
      client_id: clientId,
      resource: audience,
      scope: permissions.length > 0 ? permissions.join(' ') : undefined,
      ttl_seconds: ttlSeconds === undefined ? undefined : String(ttlSeconds),
      tool,
    },
    explain: explainExchange,
  })
  return readShape(body, CALL_TOKEN, 'call token')
}

/** Makes a token of a client worthless, RFC 7009; an unknown one is a success too. */
export async function revokeToken(
  target: ApiTarget,
  { token, clientId }: { token: string; clientId: string },
): Promise<void> {
  await callServer(target, {
    method: 'POST',
    path: '/oauth/revoke',
    session: 'never',
    form: { token, client_id: clientId },
    emptyAnswer: true,
  })
}

/**
 * Asks whether a token is alive and what it is worth now, RFC 7662; an admin session proves who asks. Members other
 * than `active` are as the server sends them. Throws `conflict` where the server has no introspection.
 */
export async function introspectToken(target: ApiTarget, token: string): Promise<Introspection> {
  const body = await callServer(target, {
    method: 'POST',
    path: '/oauth/introspect',
    session: 'required',
    form: { token },
    explain: explainAbsence(target, 'introspection'),
  })
  return readShape(body, INTROSPECTION, 'introspection')
}

/**
 * Revokes any token and what descends from it, with the session of an admin, RFC 7009; an unknown one is a success
 * too. Throws `conflict` where the server has no revocation.
 */
export async function revokeAnyToken(target: ApiTarget, token: string): Promise<void> {
  await callServer(target, {
    method: 'POST',
    path: '/oauth/revoke',
    session: 'required',
    form: { token },
    emptyAnswer: true,
    explain: explainAbsence(target, 'revocation'),
  })
}

/** Revokes by its id a token that is not at hand; throws `conflict` where the server does not offer that. */
export async function revokeTokenById(target: ApiTarget, jti: string): Promise<void> {
  const body = await callServer(target, {
    method: 'POST',
    path: '/admin/tokens/revoke',
    session: 'required',
    json: { jti },
    explain: explainAbsence(target, 'revocation by id'),
  })
  readShape(body, { jti: 'text' }, 'answer')
}

function explainAbsence(
  { serverUrl }: ApiTarget,
  what: string,
): (refusal: Refusal) => Explanation | undefined {
  return ({ status }) =>
    status === 404
      ? { code: 'conflict', message: `${serverUrl} offers no ${what}`, hint: undefined }
      : undefined
}

function explainExchange({ error }: Refusal): Explanation | undefined {
  if (error !== 'invalid_scope' && error !== 'invalid_target') return undefined
  return { code: error, hint: 'See authsec policy list for what may be delegated, and where.' }
}

function explainPull({ status, error }: Refusal, clientId: string): Explanation | undefined {
  if (status === 410) {
    return {
      code: 'delegation_expired',
      message: `the delegation of client ${clientId} has expired`,
      hint: GRANT_HINT,
    }
  }
  if (status !== 404) return undefined
  if (/client not found/i.test(error)) {
    return { code: 'client_not_found', message: `no client ${clientId}`, hint: 'See authsec client list.' }
  }
  return {
    code: 'no_delegation',
    message: `client ${clientId} has no live delegation`,
    hint: GRANT_HINT,
  }
}
