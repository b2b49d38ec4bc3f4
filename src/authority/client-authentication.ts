import { hash, randomBytes } from 'node:crypto'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import type { Client, ClientAuthMethod, ClientCredentials, Store } from '../store/store.js'
import type { Provenance } from './audit/log.js'
import { assertAssertion } from './client-assertion.js'
import { isSameText } from './constant-time.js'
import { type ClientRequest, type PresentedClient, readPresentedClient } from './presented-client.js'

/** Under which threat model a server runs: one machine and its developer, or a team. */
export type Mode = 'dev' | 'shared'

/** Every way in which a client really proves who it is. */
export const PROVING_METHODS: readonly ClientAuthMethod[] = [
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
]

/** Every way in which a client may present itself; `none` proves nothing and is for a developer's machine. */
export function listAuthMethods(mode: Mode): readonly ClientAuthMethod[] {
  return mode === 'dev' ? ['none', ...PROVING_METHODS] : PROVING_METHODS
}

/** A claim to be a client that is still to be proven. */
export interface Presenter {
  readonly clientId: string
  /**
   * Proves the claim against what is registered, and that the client may use the grant it asks for. Throws
   * `invalid_client`, the same for whatever is wrong with the proof, and `unauthorized_client`.
   */
  prove(registered: ClientCredentials | undefined): Promise<void>
}

/** What a client proves itself for. */
export interface Purpose {
  /** The grant type that it must have registered for. */
  grantType?: string
  /** An endpoint that an assertion may be addressed to beside the token endpoint, as a path. */
  endpoint?: string
}

export interface ClientAuthentication {
  /** A claim to be proven later; once it is, the provenance of its request names the client. */
  present(presented: PresentedClient, provenance: Provenance, purpose?: Purpose): Presenter
  /** A claim that something else proves, which is looked at elsewhere: the session of a person, or an assertion. */
  vouchFor(clientId: string, purpose: Purpose): Presenter
  /** Proves a claim at once; throws `invalid_client` unless it is an active client. */
  find(presenter: Presenter): Promise<Client>
  /** Reads the claim of a request and proves it at once; throws what `readPresentedClient` and `find` throw. */
  authenticate(request: ClientRequest, provenance: Provenance, purpose?: Purpose): Promise<Client>
}

export interface ClientAuthenticationOptions {
  store: Store
  clock: () => number
  mode: Mode
  issuer: string
  /** Where the server is reached, the issuer among it: an assertion may be addressed to the token endpoint there. */
  addresses: readonly string[]
}

export function createClientAuthentication(options: ClientAuthenticationOptions): ClientAuthentication {
  const { store, mode } = options
  const authentication: ClientAuthentication = {
    present(presented, provenance, { grantType, endpoint } = {}) {
      const { clientId, method } = presented
      return {
        clientId,
        async prove(registered) {
          assertRegistered(registered, clientId)
          assertMayPresent(registered, mode)
          await prove(presented, registered, { ...options, audiences: listAudiences(options, endpoint) })
          if (method !== 'none') provenance.provenClient = clientId
          if (grantType !== undefined) assertGrantType(registered, grantType)
        },
      }
    },

    vouchFor(clientId, { grantType }) {
      return {
        clientId,
        async prove(registered) {
          assertRegistered(registered, clientId)
          if (grantType !== undefined) assertGrantType(registered, grantType)
        },
      }
    },

    async find(presenter) {
      const client = await store.clients.find(presenter.clientId)
      await presenter.prove(client)
      if (!client?.active) throw new AuthsecError('invalid_client', 'the client is not active')
      return client
    },

    authenticate(request, provenance, purpose) {
      return authentication.find(authentication.present(readPresentedClient(request), provenance, purpose))
    },
  }
  return authentication
}

/**
 * Whether a client that proves nothing may act: on a developer's own machine, where its id is all that AuthSec's
 * published SDKs send, and nowhere else. Throws `invalid_client`.
 */
export function assertMayPresent({ authMethod }: ClientCredentials, mode: Mode): void {
  if (mode === 'dev' || authMethod !== 'none') return
  throw new AuthsecError('invalid_client', 'a client has to prove who it is on this server', {
    hint: 'Register it with a secret or a key: token_endpoint_auth_method.',
  })
}

/** The hash by which the store knows a secret that this server has made: random and long, so it needs no salt. */
export function hashSecret(secret: string): string {
  return hash('sha256', secret, 'base64url')
}

/** A new secret, from 256 random bits. */
export function createSecret(): string {
  return randomBytes(32).toString('base64url')
}

/** Whether a secret is the one of a hash, in a time that tells nothing. */
export function matchesSecret(secret: string, expected: string): boolean {
  return isSameText(hashSecret(secret), expected)
}

async function prove(
  presented: PresentedClient,
  registered: ClientCredentials,
  options: ClientAuthenticationOptions & { audiences: readonly string[] },
): Promise<void> {
  const { clientId, method, secret, assertion } = presented
  if (method !== registered.authMethod) {
    throw failed(`the client is registered for ${registered.authMethod}, not ${method}`)
  }
  switch (method) {
    case 'none':
      return
    case 'client_secret_basic':
    case 'client_secret_post':
      if (secret === undefined || registered.secretHash === undefined) throw failed('the secret is missing')
      if (matchesSecret(secret, registered.secretHash)) return
      if (isFormerSecret(secret, registered, options.clock())) return
      throw failed('the client secret is wrong')
    case 'private_key_jwt':
      await assertAssertion({ clientId, assertion: assertion ?? '', jwks: registered.jwks }, options)
  }
}

// RFC 7523 §3: the issuer or the token endpoint. CIBA Core §7.1 wants its own endpoint taken too.
function listAudiences({ issuer, addresses }: ClientAuthenticationOptions, endpoint?: string): string[] {
  const paths = ['/oauth/token', ...(endpoint === undefined ? [] : [endpoint])]
  return [issuer, ...addresses.flatMap((address) => paths.map((path) => `${address}${path}`))]
}

function isFormerSecret(secret: string, { formerSecret }: ClientCredentials, now: number): boolean {
  return (
    formerSecret !== undefined && now < formerSecret.expiresAt && matchesSecret(secret, formerSecret.hash)
  )
}

function assertRegistered(
  registered: ClientCredentials | undefined,
  clientId: string,
): asserts registered is ClientCredentials {
  if (registered === undefined) throw new AuthsecError('invalid_client', `no client ${quote(clientId)}`)
}

// AuthSec's own clients register for nothing: they may use whatever acts for a person, never for themselves.
function assertGrantType({ grantTypes }: ClientCredentials, grantType: string): void {
  const allowed =
    grantTypes === undefined ? grantType !== 'client_credentials' : grantTypes.includes(grantType)
  if (allowed) return
  throw new AuthsecError('unauthorized_client', `the client has not registered for ${quote(grantType, 100)}`)
}

function failed(why: string): AuthsecError {
  return new AuthsecError('invalid_client', why)
}
