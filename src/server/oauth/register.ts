import type { ClientMetadata } from '../../authority/client-metadata.js'
import type { ManagedRegistration, Registered } from '../../authority/registration.js'
import { AuthsecError } from '../../core/errors.js'
import type { JsonObject } from '../../core/strict-json.js'
import { readJson } from '../body.js'
import { findSession } from '../caller.js'
import type { Endpoint } from '../endpoint.js'
import { readObject, readString, readStrings } from '../fields.js'

const DESCRIPTIONS = ['client_uri', 'logo_uri', 'tos_uri', 'policy_uri', 'software_id', 'software_version']
/** What the server alone decides: a client that sends it back in a change is refused (RFC 7592 §2.2). */
const OWN_FIELDS = [
  'registration_access_token',
  'registration_client_uri',
  'client_secret_expires_at',
  'client_id_issued_at',
]

/** Dynamic client registration, RFC 7591 §3: open in dev mode, with an admin session elsewhere. */
export const registerClient: Endpoint<'public'> = {
  method: 'POST',
  paths: ['/oauth/register'],
  access: 'public',
  modes: ['dev', 'shared'],
  summary: 'Register a client, RFC 7591',
  speaks: 'RFC 7591',
  differences:
    'no redirects, no software statements, no jwks_uri; `client_kind` and `agent_type` are AuthSec’s',
  event: 'client.registered',
  limit: 'register',
  errors: 'oauth',

  async handle(request, { authority, provenance, serverUrl }) {
    const session = await findSession(request, authority, provenance)
    const metadata = readMetadata(await readJson(request))
    const registered = await authority.registration.register(metadata, session, provenance)
    return Response.json(format(registered, serverUrl), { status: 201 })
  },
}

const managed = {
  paths: ['/oauth/register/:id'],
  access: 'public',
  modes: ['dev', 'shared'],
  speaks: 'RFC 7592',
  limit: 'register',
  errors: 'oauth',
} as const

/** RFC 7592 §2.1. */
export const readRegistration: Endpoint<'public'> = {
  ...managed,
  method: 'GET',
  summary: 'Read a registration, RFC 7592',
  event: 'client.read',

  async handle(request, { authority, params, provenance, serverUrl }) {
    const found = await authority.registration.read(readManaged(request, params), provenance)
    return Response.json(format(found, serverUrl))
  },
}

/** RFC 7592 §2.2: what is left out is gone. */
export const replaceRegistration: Endpoint<'public'> = {
  ...managed,
  method: 'PUT',
  summary: 'Replace a registration, RFC 7592',
  event: 'client.updated',

  async handle(request, { authority, params, provenance, serverUrl }) {
    const place = readManaged(request, params)
    const body = await readJson(request)
    const own = OWN_FIELDS.find((field) => field in body)
    if (own !== undefined) {
      throw new AuthsecError('invalid_client_metadata', `${own} is decided by the server: leave it out`)
    }
    const claim = asMetadata(() => ({
      clientId: readString(body, 'client_id'),
      secret: readString(body, 'client_secret'),
    }))
    const changed = await authority.registration.replace(place, readMetadata(body), claim, provenance)
    return Response.json(format(changed, serverUrl))
  },
}

/** RFC 7592 §2.3. */
export const deleteRegistration: Endpoint<'public'> = {
  ...managed,
  method: 'DELETE',
  summary: 'Delete a client that registered itself, RFC 7592',
  event: 'client.deleted',

  async handle(request, { authority, params, provenance }) {
    await authority.registration.remove(readManaged(request, params), provenance)
    return new Response(null, { status: 204 })
  },
}

function readManaged(request: Request, params: Readonly<Record<string, string>>): ManagedRegistration {
  const [, token] = /^Bearer ([^\s]+)$/i.exec(request.headers.get('authorization') ?? '') ?? []
  if (token === undefined) throw new AuthsecError('invalid_token', 'the registration access token is missing')
  return { clientId: params['id'] ?? '', token }
}

function readMetadata(body: JsonObject): ClientMetadata {
  return asMetadata(() => ({
    clientName: readString(body, 'client_name'),
    authMethod: readString(body, 'token_endpoint_auth_method'),
    signingAlg: readString(body, 'token_endpoint_auth_signing_alg'),
    grantTypes: readStrings(body, 'grant_types'),
    responseTypes: readStrings(body, 'response_types'),
    redirectUris: readStrings(body, 'redirect_uris'),
    scope: readString(body, 'scope'),
    contacts: readStrings(body, 'contacts'),
    jwks: readObject(body, 'jwks'),
    jwksUri: readString(body, 'jwks_uri'),
    softwareStatement: readString(body, 'software_statement'),
    clientKind: readString(body, 'client_kind'),
    agentType: readString(body, 'agent_type'),
    descriptions: Object.fromEntries(
      DESCRIPTIONS.flatMap((name) => {
        const text = readString(body, name)
        return text === undefined ? [] : [[name, text]]
      }),
    ),
  }))
}

// RFC 7591 §3.2.2 has a code of its own for a field that is wrong.
function asMetadata<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (!AuthsecError.is(error, 'invalid_request')) throw error
    throw new AuthsecError('invalid_client_metadata', error.message, { hint: error.hint })
  }
}

function format({ client, metadata, secret, registrationToken }: Registered, serverUrl: string): object {
  const { clientName, signingAlg, redirectUris, scope, contacts, jwks, clientKind, agentType } = metadata
  return withoutUndefined({
    client_id: client.id,
    client_id_issued_at: Math.floor(client.createdAt / 1000),
    client_secret: secret,
    // 0: it does not expire (RFC 7591 §3.2.1).
    client_secret_expires_at: secret === undefined ? undefined : 0,
    registration_access_token: registrationToken,
    registration_client_uri: `${serverUrl}/oauth/register/${client.id}`,
    client_name: clientName,
    token_endpoint_auth_method: metadata.authMethod,
    token_endpoint_auth_signing_alg: signingAlg,
    grant_types: metadata.grantTypes,
    response_types: [],
    redirect_uris: redirectUris,
    scope,
    contacts,
    jwks,
    client_kind: clientKind,
    agent_type: agentType,
    spiffe_id: client.spiffeId,
    ...metadata.descriptions,
  })
}

function withoutUndefined(members: Record<string, unknown>): object {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))
}
