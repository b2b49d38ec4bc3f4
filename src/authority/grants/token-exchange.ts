import { randomUUID } from 'node:crypto'
import {
  CALL_TOKEN_TYPE,
  type CallClaims,
  GRANT_TYPE_TOKEN_EXCHANGE,
  TOKEN_TYPE_ACCESS_TOKEN,
  TOKEN_TYPE_JWT,
} from '../../core/claims.js'
import { callLifetime, extendChain } from '../../core/delegation.js'
import { AuthsecError } from '../../core/errors.js'
import { formatScope, type Permissions, parseScope, sortPermissions } from '../../core/permission.js'
import { quote } from '../../core/printable.js'
import type { Standing } from '../../store/store.js'
import type { Attempt } from '../audit/log.js'
import type { PresentedBaseToken } from '../base-tokens.js'
import { assertResourceUri } from '../resources.js'
import { type SignedJwt, type SigningKey, signToken } from '../signer.js'
import { decideStanding } from '../standing.js'
import type { Grant, GrantContext, TokenResponse } from './grant.js'

/** What a request asks for, read from its form. */
interface ExchangeRequest {
  subjectToken: string
  resource: string
  permissions: Permissions | undefined
  ttlSeconds: number | undefined
  tool: string | undefined
}

/** Narrowing that this server does not know yet: refused, because leaving it out would widen the token. */
const UNSUPPORTED = ['actor_token', 'actor_token_type', 'authorization_details', 'call', 'one_time']

const MAX_TOOL_LENGTH = 128

/** Token exchange, RFC 8693: an agent's base token becomes a token for one resource that lives seconds. */
export const tokenExchange: Grant = {
  grantType: GRANT_TYPE_TOKEN_EXCHANGE,

  issue(form, context) {
    const draft = { type: 'token.exchanged' } as const
    return context.audit.attempt(draft, context.provenance, async (attempt) => {
      const { clientId } = context.presenter
      attempt.note({ actor: { type: 'client', id: clientId }, client: clientId })
      return exchange(readRequest(form, attempt), attempt, context)
    })
  },
}

async function exchange(
  request: ExchangeRequest,
  attempt: Attempt,
  context: GrantContext,
): Promise<TokenResponse> {
  const { store, clock, presenter } = context
  const { clientId } = presenter
  // Read once: what is decided and what is written into the token have to be of one instant.
  const now = clock()
  // One question answers who asks and what may be had; only a client without a delegation costs another.
  const found = await store.delegations.findStanding(clientId, request.resource)
  await presenter.prove(found?.client ?? (await store.clients.find(clientId)))

  const subject = context.baseTokens.verify(request.subjectToken)
  noteSubject(attempt, subject)
  if (subject.clientId !== clientId) {
    throw new AuthsecError('invalid_grant', 'the subject token belongs to another client')
  }
  const question = { ...request, jti: subject.jti, now }
  const { standing, permissions } = decideStanding(found, question)
  const issuedAt = Math.floor(now / 1000)
  const lifetime = callLifetime(request.ttlSeconds, subject.expiresAt, issuedAt)

  const claims = createClaims(request, standing, permissions, attempt.eventId, context, {
    issuedAt,
    expiresAt: issuedAt + lifetime,
  })
  const key = context.callKey(standing.resource?.signingAlg ?? 'ES256')
  const signed = await signToken(key, { typ: CALL_TOKEN_TYPE, kid: key.kid }, claims)
  await attempt.commit(async (transaction) => {
    if ((await transaction.delegations.revision()) !== standing.revision) {
      // Something changed since it was decided: what has been signed must still be allowed.
      const current = await transaction.delegations.findStanding(clientId, request.resource)
      decideStanding(current, { ...question, permissions })
    }
    // Only now: a refusal names no token that nobody has.
    noteIssuance(attempt, claims, signed, standing, key)
  })

  return {
    access_token: signed.token,
    issued_token_type: TOKEN_TYPE_ACCESS_TOKEN,
    token_type: 'Bearer',
    expires_in: lifetime,
    scope: claims.scope,
    authsec_audit: attempt.eventId,
  }
}

function readRequest(form: ReadonlyMap<string, string>, attempt: Attempt): ExchangeRequest {
  const unsupported = UNSUPPORTED.find((name) => form.has(name))
  if (unsupported !== undefined) {
    throw new AuthsecError('invalid_request', `${unsupported} is not supported by this server`)
  }
  const resource = readResource(form)
  attempt.note({ aud: [resource] })
  const scope = form.get('scope')
  const permissions = scope === undefined ? undefined : parseScope(scope)
  if (permissions?.size === 0) throw new AuthsecError('invalid_scope', 'scope names no permission')
  if (permissions) attempt.note({ permissions: { asked: sortPermissions(permissions) } })

  return {
    resource,
    permissions,
    subjectToken: readSubjectToken(form),
    ttlSeconds: readTtl(form.get('ttl_seconds')),
    tool: readTool(form.get('tool'), attempt),
  }
}

function readSubjectToken(form: ReadonlyMap<string, string>): string {
  const token = form.get('subject_token')
  if (token === undefined) throw new AuthsecError('invalid_request', 'subject_token is missing')
  const type = form.get('subject_token_type')
  if (type !== TOKEN_TYPE_JWT) {
    throw new AuthsecError('invalid_request', `subject_token_type ${quote(type)} is not ${TOKEN_TYPE_JWT}`)
  }
  const requested = form.get('requested_token_type')
  if (requested !== undefined && requested !== TOKEN_TYPE_ACCESS_TOKEN) {
    throw new AuthsecError('invalid_request', `requested_token_type ${quote(requested)} is not offered`)
  }
  return token
}

function readResource(form: ReadonlyMap<string, string>): string {
  const resource = form.get('resource') ?? form.get('audience')
  if (resource === undefined) throw new AuthsecError('invalid_target', 'resource is missing')
  if ((form.get('audience') ?? resource) !== resource) {
    throw new AuthsecError('invalid_target', 'audience and resource name two APIs: a call token is for one')
  }
  assertResourceUri(resource)
  return resource
}

function readTtl(text: string | undefined): number | undefined {
  // callLifetime refuses NaN by name.
  return text === undefined ? undefined : /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
}

function readTool(tool: string | undefined, attempt: Attempt): string | undefined {
  if (tool === undefined) return undefined
  if (tool === '' || tool.length > MAX_TOOL_LENGTH || !tool.isWellFormed()) {
    throw new AuthsecError(
      'invalid_request',
      `tool ${quote(tool)} has to have 1 to ${MAX_TOOL_LENGTH} characters`,
    )
  }
  attempt.note({ details: { tool } })
  return tool
}

function createClaims(
  { resource, tool }: ExchangeRequest,
  { delegation, client, user }: Standing,
  granted: Permissions,
  auditId: string,
  { issuer, tenantId }: GrantContext,
  { issuedAt, expiresAt }: { issuedAt: number; expiresAt: number },
): CallClaims {
  const permissions = sortPermissions(granted)
  return {
    iss: issuer,
    sub: user.id,
    aud: resource,
    exp: expiresAt,
    iat: issuedAt,
    nbf: issuedAt,
    jti: randomUUID(),
    client_id: client.id,
    tenant_id: tenantId,
    scope: formatScope(permissions),
    permissions,
    act: extendChain({ sub: client.spiffeId ?? client.id, client_id: client.id }),
    authsec_grant: 'standing',
    authsec_delegation: delegation.id,
    parent_jti: delegation.jti,
    authsec_audit: auditId,
    txn: randomUUID(),
    ...(tool !== undefined && { tool }),
  }
}

function noteSubject(attempt: Attempt, subject: PresentedBaseToken): void {
  attempt.note({ subject: { type: 'user', id: subject.userId }, parent_jti: subject.jti })
}

function noteIssuance(
  attempt: Attempt,
  claims: CallClaims,
  signed: SignedJwt,
  { delegation, policy }: Standing,
  key: SigningKey,
): void {
  attempt.note({
    act: claims.act,
    jti: claims.jti,
    delegation: delegation.id,
    policy: policy.id,
    permissions: { granted: claims.permissions },
    details: { expires_in: claims.exp - claims.iat },
    token_hash: signed.tokenHash,
    kid: key.kid,
    txn: claims.txn,
  })
}
