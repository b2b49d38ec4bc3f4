import { AuthsecError } from '../core/errors.js'
import { formatScope, parseScope } from '../core/permission.js'
import { quote } from '../core/printable.js'
import { isLoopback } from '../core/server-url.js'
import type { JsonObject } from '../core/strict-json.js'
import type { ClientAuthMethod } from '../store/store.js'
import { listAuthMethods, type Mode } from './client-authentication.js'
import { CLIENT_ALGORITHMS, parseClientKeys } from './client-keys.js'
import { AGENT_TYPE, AGENT_TYPE_RULE } from './clients.js'

/** What a client may say of itself (RFC 7591 §2); every field is untrusted, and undefined where it was left out. */
export interface ClientMetadata {
  clientName?: string | undefined
  authMethod?: string | undefined
  signingAlg?: string | undefined
  grantTypes?: readonly string[] | undefined
  responseTypes?: readonly string[] | undefined
  redirectUris?: readonly string[] | undefined
  scope?: string | undefined
  contacts?: readonly string[] | undefined
  jwks?: JsonObject | undefined
  jwksUri?: string | undefined
  softwareStatement?: string | undefined
  /** AuthSec's extension: `agent` gets a SPIFFE id. */
  clientKind?: string | undefined
  agentType?: string | undefined
  /** What is kept and given back without a meaning here: names of software, addresses of pages. */
  descriptions: Readonly<Record<string, string>>
}

/** What takes effect of it. */
export interface EffectiveMetadata extends ClientMetadata {
  authMethod: ClientAuthMethod
  grantTypes: readonly string[]
}

const MAX_NAME_LENGTH = 256
const MAX_TEXT_LENGTH = 1_000
const MAX_URIS = 20

/**
 * What of a client's metadata takes effect (RFC 7591 §2): defaults filled in, everything checked. Throws
 * `invalid_redirect_uri`, `invalid_client_metadata`, `invalid_software_statement` and
 * `unapproved_software_statement`.
 */
export function settleMetadata(
  input: ClientMetadata,
  { mode, grantTypes: offered }: { mode: Mode; grantTypes: readonly string[] },
): EffectiveMetadata {
  assertNoStatement(input.softwareStatement)
  assertRedirectUris(input.redirectUris ?? [])
  const authMethod = readAuthMethod(input.authMethod ?? 'client_secret_basic', mode)
  const grantTypes = readGrantTypes(input.grantTypes, authMethod, offered)
  if ((input.responseTypes ?? []).length > 0) {
    throw invalid('response_types is not empty: no response type is offered')
  }
  if (input.jwksUri !== undefined)
    throw invalid('jwks_uri is not fetched by this server: send the keys as jwks')
  assertTexts(input)
  return {
    ...input,
    authMethod,
    grantTypes,
    scope: input.scope === undefined ? undefined : readScope(input.scope),
    jwks: readKeys(input, authMethod),
  }
}

function readAuthMethod(asked: string, mode: Mode): ClientAuthMethod {
  const method = listAuthMethods(mode).find((known) => known === asked)
  if (method !== undefined) return method
  throw invalid(`token_endpoint_auth_method ${quote(asked)} is none of ${listAuthMethods(mode).join(', ')}`)
}

// Whoever proves nothing cannot ask for itself: there would be nobody to give the token to.
function readGrantTypes(
  asked: readonly string[] | undefined,
  authMethod: ClientAuthMethod,
  offered: readonly string[],
): string[] {
  const possible = offered.filter((grantType) => authMethod !== 'none' || grantType !== 'client_credentials')
  if (asked === undefined) return possible
  const foreign = asked.find((grantType) => !possible.includes(grantType))
  if (foreign !== undefined) {
    throw invalid(`the grant type ${quote(foreign, 100)} is not offered to such a client`)
  }
  return [...new Set(asked)]
}

function readScope(text: string): string {
  try {
    return formatScope(parseScope(text))
  } catch (error) {
    throw AuthsecError.is(error) ? invalid(`scope: ${error.message}`) : error
  }
}

// The algorithm that the client names is bound to each of its keys, so that no header can name another.
function readKeys(
  { jwks, signingAlg }: ClientMetadata,
  authMethod: ClientAuthMethod,
): JsonObject | undefined {
  if (signingAlg !== undefined && !CLIENT_ALGORITHMS.some((alg) => alg === signingAlg)) {
    throw invalid(
      `token_endpoint_auth_signing_alg ${quote(signingAlg)} is none of ${CLIENT_ALGORITHMS.join(', ')}`,
    )
  }
  if (jwks === undefined) {
    if (authMethod === 'private_key_jwt') throw invalid('private_key_jwt needs jwks with the public keys')
    return undefined
  }
  parseClientKeys(JSON.stringify(jwks))
  if (signingAlg === undefined) return jwks
  const keys = jwks['keys'] as JsonObject[]
  const bound = { keys: keys.map((key) => ({ ...key, alg: key['alg'] ?? signingAlg })) }
  if (bound.keys.some(({ alg }) => alg !== signingAlg)) {
    throw invalid(`a key of jwks is for another algorithm than ${signingAlg}`)
  }
  parseClientKeys(JSON.stringify(bound))
  return bound
}

// Kept and given back only, because no grant here redirects; a wrong one is refused all the same (RFC 9700 §2.1).
function assertRedirectUris(uris: readonly string[]): void {
  if (uris.length > MAX_URIS)
    throw new AuthsecError('invalid_redirect_uri', `more than ${MAX_URIS} redirect_uris`)
  for (const uri of uris) {
    const url = URL.canParse(uri) ? new URL(uri) : undefined
    const isSafe = url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url))
    if (!isSafe || uri.includes('#') || uri.length > MAX_TEXT_LENGTH) {
      throw new AuthsecError(
        'invalid_redirect_uri',
        `${quote(uri)} is neither an https address without a fragment nor one of this machine`,
      )
    }
  }
}

function assertNoStatement(statement: string | undefined): void {
  if (statement === undefined) return
  const isJwt = /^[\w-]+\.[\w-]+\.[\w-]+$/.test(statement)
  throw isJwt
    ? new AuthsecError('unapproved_software_statement', 'no issuer of software statements is trusted here')
    : new AuthsecError('invalid_software_statement', 'software_statement is not a signed JWT')
}

function assertTexts(input: ClientMetadata): void {
  const { clientName, contacts = [], clientKind, agentType, descriptions } = input
  if (agentType !== undefined && !AGENT_TYPE.test(agentType)) {
    throw invalid(`agent_type ${quote(agentType)} ${AGENT_TYPE_RULE}`)
  }
  if (clientName !== undefined && (clientName.trim() === '' || clientName.length > MAX_NAME_LENGTH)) {
    throw invalid(`client_name has to have 1 to ${MAX_NAME_LENGTH} characters`)
  }
  if (contacts.length > MAX_URIS) throw invalid(`more than ${MAX_URIS} contacts`)
  for (const text of [...contacts, ...Object.values(descriptions), clientKind ?? '']) {
    if (text.length > MAX_TEXT_LENGTH)
      throw invalid(`${quote(text, 20)} has more than ${MAX_TEXT_LENGTH} characters`)
  }
  for (const [name, text] of Object.entries(descriptions)) {
    if (name.endsWith('_uri') && !(URL.canParse(text) && /^https?:$/.test(new URL(text).protocol))) {
      throw invalid(`${name} ${quote(text)} is not an address of a page`)
    }
  }
}

function invalid(message: string): AuthsecError {
  return new AuthsecError('invalid_client_metadata', message)
}
