import { isCallHash, matchesCall } from '../core/call-binding.js'
import { BOUND_CALL_TOKEN_TYPE, GRANT_TYPE_TOKEN_EXCHANGE, TOKEN_TYPE_JWT } from '../core/claims.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { sha256 } from '../core/sha256.js'
import type { JsonObject } from '../core/strict-json.js'
import type { Clock } from './clock.js'
import type { ClientProof } from './credentials.js'
import { type Grant, type GrantedClaims, invalidResponse, readGrantedClaims, splitScope } from './grant.js'
import type { HttpAnswer, Limits } from './http.js'
import type { GatedHttp } from './issuer-gate.js'
import { callLifetime, remaining } from './lifetime.js'
import type { CacheOptions } from './options.js'
import { readSuccess } from './refusal.js'
import type { CallRequest } from './request.js'

const LONGEST_STRICT = 3_600

export interface ExchangeParts {
  readonly http: GatedHttp
  readonly clock: Clock
  readonly random: () => number
  readonly clientId: string
  readonly tokenEndpoint: string
  readonly cache: CacheOptions
  readonly authenticate?: (() => Promise<ClientProof>) | undefined
}

/** What is exchanged, and the most that can come of it where that is known. */
export interface ExchangeSubject {
  readonly token: string
  readonly tokenType: string
  readonly userId?: string
  readonly permissions?: readonly string[]
  /** Milliseconds since the epoch. */
  readonly expiresAt?: number
}

/** The agent's own base token as what is exchanged. */
export function subjectOfBase({ jwt, userId, permissions, expiresAt }: Grant): ExchangeSubject {
  return { token: jwt, tokenType: TOKEN_TYPE_JWT, userId, permissions, expiresAt }
}

/**
 * Exchanges a base token, or a token of a user, for a call token (RFC 8693) and checks that the answer is no more than
 * was asked for: throws `grant_widened` or `token_response_invalid`, and the token is dropped. Throws the server's own
 * codes.
 */
export async function exchangeToken(
  parts: ExchangeParts,
  subject: ExchangeSubject,
  call: CallRequest,
  limits: Limits,
): Promise<Grant> {
  const { http, clock, random, cache } = parts
  const { answer, body, claims } = await http.send(
    {
      url: parts.tokenEndpoint,
      // One id for all attempts: a repeated one leaves a second record, never a second meaning.
      headers: { 'idempotency-key': crypto.randomUUID() },
      form: buildForm(parts.clientId, subject, call),
      authenticate: parts.authenticate,
    },
    limits,
    readAnswer,
  )
  const seconds = readLifetime(body, claims)
  assertNotWidened(body, claims, subject, call)
  assertParties(claims, subject, parts.clientId)
  assertBound(claims, call)
  if (cache.strictTtl && seconds > LONGEST_STRICT) {
    throw invalidResponse(`the token lives ${seconds} s, longer than strictTtl allows`)
  }

  const expiresAt = answer.askedAt.wall + seconds * 1000
  const lifetime = callLifetime(answer.askedAt, Math.min(seconds, cache.maxTtlSeconds) * 1000, random)
  if (remaining(lifetime, clock) <= 0) {
    throw new AuthsecError('timed_out', `the token of ${seconds} s had expired before it arrived`, {
      requestId: answer.requestId,
    })
  }
  return {
    jwt: body['access_token'] as string,
    jti: claims.jti,
    audience: claims.audience,
    permissions: claims.permissions,
    auditId: typeof body['authsec_audit'] === 'string' ? body['authsec_audit'] : undefined,
    userId: claims.userId,
    expiresAt,
    lifetime,
  }
}

function readAnswer(answer: HttpAnswer) {
  const body = readSuccess(answer)
  return { answer, body, claims: readGrantedClaims(body['access_token']) }
}

function buildForm(clientId: string, subject: ExchangeSubject, call: CallRequest): URLSearchParams {
  const form = new URLSearchParams({
    grant_type: GRANT_TYPE_TOKEN_EXCHANGE,
    subject_token: subject.token,
    subject_token_type: subject.tokenType,
    client_id: clientId,
    resource: call.audience,
  })
  if (call.permissions !== undefined) form.set('scope', call.permissions.join(' '))
  if (call.ttlSeconds !== undefined) form.set('ttl_seconds', String(call.ttlSeconds))
  if (call.tool !== undefined) form.set('tool', call.tool)
  if (call.bind.length > 0) form.set('bind', call.bind.join(' '))
  if (call.args !== undefined) form.set('call', JSON.stringify(call.args))
  if (call.oneTime) form.set('one_time', 'true')
  return form
}

// The smaller of what the answer says and what the token says, in seconds.
function readLifetime(body: JsonObject, claims: GrantedClaims): number {
  const { expires_in: expiresIn = Number.POSITIVE_INFINITY } = body
  if (typeof expiresIn !== 'number' || !(expiresIn > 0)) {
    throw invalidResponse(`expires_in ${quote(expiresIn)} is not a positive number`)
  }
  return Math.min(expiresIn, claims.exp - claims.iat)
}

function assertNotWidened(
  body: JsonObject,
  claims: GrantedClaims,
  subject: ExchangeSubject,
  call: CallRequest,
): void {
  const { token_type: type, scope = '', refresh_token: refreshToken, expires_in: expiresIn } = body
  if (typeof type !== 'string' || type.toLowerCase() !== 'bearer') {
    throw invalidResponse(`the token type ${quote(type)} is not Bearer`)
  }
  if (typeof scope !== 'string') throw invalidResponse(`the scope ${quote(scope)} is not a text`)
  if (refreshToken !== undefined && refreshToken !== null) {
    throw widened('the answer holds a refresh token, which nobody asked for')
  }
  if (claims.audience.length !== 1 || claims.audience[0] !== call.audience) {
    throw widened(`the token is for ${quote(claims.audience.join(' '))} instead of ${quote(call.audience)}`)
  }
  // An omitted scope means what the subject token allows at most (RFC 8693 §2.1 leaves it to the server).
  const allowed = call.permissions ?? subject.permissions
  const granted = [...claims.permissions, ...splitScope(scope)]
  const excess = allowed && granted.find((permission) => !allowed.includes(permission))
  if (excess !== undefined) throw widened(`the token permits ${quote(excess)}, which nobody asked for`)

  const longest = call.ttlSeconds ?? Number.POSITIVE_INFINITY
  if (claims.exp - claims.iat > longest || (typeof expiresIn === 'number' && expiresIn > longest)) {
    throw widened(`the token lives longer than the ${longest} s asked for`)
  }
  if (claims.exp * 1000 > (subject.expiresAt ?? Number.POSITIVE_INFINITY)) {
    throw widened('the token outlives the base token it was made from')
  }
}

function assertParties(claims: GrantedClaims, subject: ExchangeSubject, clientId: string): void {
  const { userId = claims.userId } = subject
  if (claims.userId !== userId) throw widened(`the token is for the user ${quote(claims.userId)}`)
  if ((claims.clientId ?? clientId) !== clientId) {
    throw widened(`the token is for the client ${quote(claims.clientId)}`)
  }
}

// A condition that was asked for and is missing is a wider token; one that nobody asked for makes it useless to whoever
// else the cache would give it to.
function assertBound({ terms, audience }: GrantedClaims, { bind, args, oneTime, tool }: CallRequest): void {
  const granted = Array.isArray(terms.bind) ? terms.bind : []
  const missing = bind.find((binding) => !granted.includes(binding))
  if (missing !== undefined) throw widened(`the token is not bound to the ${missing}`)
  if (oneTime && terms.oneTime !== true) throw widened('the token is good for more than one use')
  if ((bind.length > 0 || oneTime) && terms.type !== BOUND_CALL_TOKEN_TYPE) {
    throw widened(`a bound token of type ${quote(terms.type)} is accepted where nobody looks for bindings`)
  }
  if (bind.length > 0 && terms.tool !== tool)
    throw widened(`the token is bound to the tool ${quote(terms.tool)}`)
  if (args !== undefined) {
    const bound = { aud: audience[0] as string, tool: tool as string, args }
    if (!matchesCall(terms.call, bound, sha256)) throw widened('the token is bound to another call')
  } else if (granted.includes('call') || isCallHash(terms.call)) {
    throw invalidResponse('the token is bound to a call that nobody named')
  }
  if (!oneTime && terms.oneTime !== false) throw invalidResponse('the token is good for one use only')
}

function widened(message: string): AuthsecError {
  return new AuthsecError('grant_widened', message, {
    hint: 'The token was dropped. Delegation only narrows: report this to whoever runs the server.',
  })
}
