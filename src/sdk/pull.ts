import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { ClientProof } from './credentials.js'
import { type Grant, invalidResponse, readGrantedClaims } from './grant.js'
import type { HttpAnswer, Limits } from './http.js'
import type { GatedHttp } from './issuer-gate.js'
import { baseLifetime } from './lifetime.js'
import { describeRefusal, readRefusalText, readSuccess } from './refusal.js'

export interface PullParts {
  readonly serverUrl: URL
  readonly clientId: string
  /** For a server that wants proof of who asks. */
  readonly authenticate?: (() => Promise<ClientProof>) | undefined
}

/**
 * Reads the agent's base token, AuthSec's `GET …/uflow/sdk/delegation-token`, or by a POST to the same path with client
 * authentication as at a token endpoint. Throws `client_not_found`,
 * `no_delegation`, `delegation_expired`, and what any answer can mean.
 */
export function pullBaseToken(
  http: GatedHttp,
  { serverUrl, clientId, authenticate }: PullParts,
  limits: Limits,
): Promise<Grant> {
  const path = serverUrl.pathname.replace(/\/$/, '')
  const url = `${serverUrl.origin}${path}/authsec/uflow/sdk/delegation-token`
  return http.send(
    authenticate === undefined
      ? { url: `${url}?client_id=${clientId}`, headers: { 'x-client-id': clientId } }
      : { url, form: new URLSearchParams({ client_id: clientId }), authenticate },
    limits,
    (answer) => readBaseToken(answer, clientId),
  )
}

function readBaseToken(answer: HttpAnswer, clientId: string): Grant {
  if (answer.status === 404 || answer.status === 410) throw describeAbsence(answer, clientId)

  const { token } = readSuccess(answer)
  const claims = readGrantedClaims(token)
  if (claims.clientId !== undefined && claims.clientId !== clientId) {
    throw invalidResponse(`the server gave the token of client ${quote(claims.clientId)}`, answer)
  }
  const expiresAt = claims.exp * 1000
  if (expiresAt <= answer.askedAt.wall) {
    throw new AuthsecError('delegation_expired', 'the base token of the server has already expired', {
      hint: 'Have the delegation granted again, and check that the clock of this machine is right.',
      requestId: answer.requestId,
    })
  }
  return {
    jwt: token as string,
    jti: claims.jti,
    audience: claims.audience,
    permissions: claims.permissions,
    auditId: undefined,
    userId: claims.userId,
    expiresAt,
    lifetime: baseLifetime(answer.askedAt, expiresAt, (claims.exp - claims.iat) * 1000),
  }
}

// AuthSec tells three absences apart: by its words for a 404, and once after the expiry by a 410.
function describeAbsence(answer: HttpAnswer, clientId: string): AuthsecError {
  const { requestId } = answer
  const words = typeof answer.body?.['error'] === 'string' ? answer.body['error'] : ''
  const hint = `Have one granted, for example with: authsec delegation grant ${clientId}`
  if (answer.status === 410) {
    return new AuthsecError('delegation_expired', `the delegation of client ${clientId} has expired`, {
      hint,
      requestId,
    })
  }
  if (/delegation token/i.test(words)) {
    return new AuthsecError('no_delegation', `client ${clientId} holds no delegation`, { hint, requestId })
  }
  if (/client/i.test(words)) {
    return new AuthsecError('client_not_found', `the server knows no client ${clientId}`, {
      hint: 'Check the client id: authsec client list shows those that are registered.',
      requestId,
    })
  }
  if (answer.body === undefined) return describeRefusal(answer)
  return new AuthsecError('server_error', `the server has no delegation tokens: ${readRefusalText(answer)}`, {
    hint: 'Check that the server URL is that of an AuthSec server.',
    retryable: false,
    requestId,
  })
}
