import { type DynamicClient, type OpenDynamicClient, registerDynamically } from '../api/clients.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { Json, JsonObject } from '../core/strict-json.js'
import { keepTold } from './columns.js'
import type { Connection } from './connection.js'
import type { Context } from './context.js'
import { readPublicKeySetFile } from './key-file.js'
import { writePrivateFile } from './private-file.js'
import { maskSecrets, prepareSecretFile } from './secret-delivery.js'

/** How a client that registers itself proves who it is, RFC 7591 §2. */
export const AUTH_METHODS = ['none', 'client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const

export interface DynamicTerms {
  name: string
  agentType: string | undefined
  isAgent: boolean
  authMethod: (typeof AUTH_METHODS)[number] | undefined
  /** A file with the public keys of a client that proves itself by one. */
  jwks: string | undefined
  grantTypes: readonly string[]
  permissions: readonly string[]
}

/** What is printed of a client that registered itself. */
export type DynamicRegistration = DynamicClient | WrittenRegistration

/** The registration without its secrets, with --secret-out. */
type WrittenRegistration = OpenDynamicClient & {
  /** Where the whole registration lies, with its secrets. */
  file: string
}

/** Registers by RFC 7591 and hands out what is shown this once; throws `configuration` for a file that cannot be written. */
export async function registerByItself(
  context: Context,
  { target }: Connection,
  terms: DynamicTerms,
  { secretOut, json }: { secretOut: string | undefined; json: boolean },
): Promise<void> {
  const { io } = context
  const metadata = await describeMetadata(terms)
  await prepareSecretFile(secretOut)
  const client = await registerDynamically(target, metadata)
  const { client_secret, registration_access_token, ...open } = client
  maskSecrets(context, [client_secret, registration_access_token])
  if (secretOut !== undefined) await writePrivateFile(secretOut, `${JSON.stringify(client, null, 2)}\n`)
  if (json) {
    io.json<DynamicRegistration>(secretOut === undefined ? client : { ...open, file: secretOut })
    return
  }
  io.record(listFields(secretOut === undefined ? client : (open as DynamicClient)))
  if (secretOut !== undefined) io.note(`wrote the registration with its secrets to ${quote(secretOut, 200)}`)
  else if (client_secret !== undefined || registration_access_token !== undefined) {
    io.note('the secrets are shown this once')
  }
}

async function describeMetadata(terms: DynamicTerms): Promise<JsonObject> {
  const { name, agentType, isAgent, authMethod, jwks, grantTypes, permissions } = terms
  if (authMethod === 'private_key_jwt' && jwks === undefined) {
    throw new AuthsecError('usage', 'private_key_jwt needs --jwks', {
      hint: 'Give a file with the public keys of the client.',
    })
  }
  const members: Record<string, Json | undefined> = {
    client_name: name,
    client_kind: isAgent ? 'agent' : undefined,
    agent_type: agentType,
    token_endpoint_auth_method: authMethod,
    grant_types: grantTypes.length > 0 ? [...grantTypes] : undefined,
    scope: permissions.length > 0 ? permissions.join(' ') : undefined,
    jwks: jwks === undefined ? undefined : await readPublicKeySetFile(jwks),
  }
  const given = Object.entries(members).filter((entry): entry is [string, Json] => entry[1] !== undefined)
  return Object.fromEntries(given)
}

function listFields(client: DynamicClient): [name: string, value: string][] {
  return keepTold([
    ['client id', client.client_id],
    ['name', client.client_name],
    ['agent type', client.agent_type],
    ['SPIFFE id', client.spiffe_id],
    ['proves itself by', client.token_endpoint_auth_method],
    ['grant types', client.grant_types.join(', ')],
    ['permissions', client.scope],
    ['secret', client.client_secret],
    ['registration token', client.registration_access_token],
    ['registration', client.registration_client_uri],
  ])
}
