import { AuthsecError } from '../core/errors.js'
import { parseJwt } from '../core/jwt.js'
import { quote } from '../core/printable.js'
import { isUuid } from '../core/uuid.js'
import type { ClientAuthMethod } from '../store/store.js'

/** `client_assertion_type` of a JWT, RFC 7523 §2.2. */
const ASSERTION_TYPE_JWT = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** What somebody sends who is a client, or asks in the place of one. */
export interface ClientRequest {
  form: ReadonlyMap<string, string>
  /** The `Authorization` header. */
  authorization: string | null
}

/** Who a request claims to come from, and with what it can prove it. */
export interface PresentedClient {
  clientId: string
  method: ClientAuthMethod
  secret?: string
  assertion?: string
}

/**
 * Reads who claims to call (RFC 6749 §2.3, RFC 7523 §2.2). Throws `invalid_client` where nobody does or the claim
 * cannot be read, and `invalid_request` for more than one method.
 */
export function readPresentedClient(request: ClientRequest): PresentedClient {
  assertOneProof(request)
  const { form, authorization } = request
  const secret = form.get('client_secret')
  const assertion = form.get('client_assertion')
  const named = form.get('client_id')
  if (assertion === undefined && form.has('client_assertion_type')) {
    throw new AuthsecError('invalid_request', 'client_assertion is missing beside client_assertion_type')
  }
  const presented =
    authorization !== null
      ? readBasic(authorization)
      : assertion !== undefined
        ? readAssertion(assertion, form.get('client_assertion_type'))
        : readBody(form, secret)
  if (named !== undefined && named.toLowerCase() !== presented.clientId) {
    throw new AuthsecError('invalid_request', 'client_id is not the client that authenticates')
  }
  return presented
}

/**
 * The token of a person who asks in the place of a client, where one is presented. Throws `invalid_request` beside
 * another proof.
 */
export function readPresentedSession(request: ClientRequest): string | undefined {
  const [, token] = /^Bearer (\S+)$/i.exec(request.authorization ?? '') ?? []
  if (token !== undefined) assertOneProof(request)
  return token
}

/** The token that a request is about; throws `invalid_request` without one. */
export function readAskedToken({ form }: ClientRequest): string {
  const token = form.get('token')
  if (token === undefined) throw new AuthsecError('invalid_request', 'token is missing')
  return token
}

// RFC 6749 §2.3.
function assertOneProof({ form, authorization }: ClientRequest): void {
  const proofs = [authorization ?? undefined, form.get('client_secret'), form.get('client_assertion')]
  if (proofs.filter((proof) => proof !== undefined).length <= 1) return
  throw new AuthsecError('invalid_request', 'the client authenticates in more than one way')
}

/** The client that a form names; throws `invalid_client`. */
export function readNamedClient(form: ReadonlyMap<string, string>): string {
  const named = form.get('client_id')
  if (named === undefined) throw failed('client_id is missing')
  return readClientId(named)
}

function readBody(form: ReadonlyMap<string, string>, secret: string | undefined): PresentedClient {
  const clientId = readNamedClient(form)
  return secret === undefined
    ? { clientId, method: 'none' }
    : { clientId, method: 'client_secret_post', secret }
}

// RFC 6749 §2.3.1: both halves are form-encoded before they are joined.
function readBasic(authorization: string): PresentedClient {
  const [, encoded] = /^Basic +([A-Za-z0-9+/]+={0,2})$/i.exec(authorization) ?? []
  if (encoded === undefined) throw failed('the authorization header is not Basic')
  const [, id, secret] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString()) ?? []
  if (id === undefined || secret === undefined)
    throw failed('the authorization header holds no id and secret')
  return {
    clientId: readClientId(decodeFormText(id)),
    method: 'client_secret_basic',
    secret: decodeFormText(secret),
  }
}

function readAssertion(assertion: string, type: string | undefined): PresentedClient {
  if (type === undefined) {
    throw new AuthsecError('invalid_request', 'client_assertion_type is missing beside client_assertion', {
      hint: `It is ${ASSERTION_TYPE_JWT}.`,
    })
  }
  if (type !== ASSERTION_TYPE_JWT) {
    throw new AuthsecError(
      'invalid_request',
      `client_assertion_type ${quote(type)} is not ${ASSERTION_TYPE_JWT}`,
    )
  }
  const { sub } = parseAssertion(assertion)
  if (typeof sub !== 'string') throw failed('the client assertion has no sub')
  return { clientId: readClientId(sub), method: 'private_key_jwt', assertion }
}

function parseAssertion(assertion: string): { sub?: unknown } {
  try {
    return parseJwt(assertion).claims
  } catch (error) {
    throw failed(
      `the client assertion cannot be read: ${AuthsecError.is(error) ? error.message : 'unreadable'}`,
    )
  }
}

function readClientId(text: string): string {
  if (!isUuid(text)) throw new AuthsecError('invalid_client', `client_id ${quote(text)} is not a UUID`)
  return text.toLowerCase()
}

function decodeFormText(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    throw failed('the authorization header is not form-encoded')
  }
}

function failed(why: string): AuthsecError {
  return new AuthsecError('invalid_client', why)
}
