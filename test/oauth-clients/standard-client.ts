import type { webcrypto } from 'node:crypto'
import * as oauth from 'oauth4webapi'
import * as openid from 'openid-client'
import { type RunningServer, startServer } from '../../src/server/index.js'

// What standard clients are held to here: a real socket, their own checks, and no leniency but http on loopback.

/** The methods by which a client proves who it is, and what each of the libraries calls them. */
export const METHODS = ['client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const
export type Method = (typeof METHODS)[number]

/** The algorithms a client may sign its assertions with, as far as WebCrypto makes such keys. */
export const ASSERTION_ALGORITHMS = ['ES256', 'ES384', 'RS256', 'PS256', 'Ed25519'] as const

/** The seeded API, and what a client registers for it. */
export const BILLING = 'https://billing.example'
export const SCOPE = 'billing:read orders:read'

/** A client that has registered itself with a standard library. */
export interface StandardClient {
  id: string
  method: Method
  secret: string | undefined
  keys: webcrypto.CryptoKeyPair | undefined
  registrationToken: string
}

export function startRealServer(): Promise<RunningServer> {
  return startServer({ state: ':memory:', port: 0 })
}

/** The loopback exception of both libraries. */
export const HTTP: { [oauth.allowInsecureRequests]: true } = { [oauth.allowInsecureRequests]: true }

/** Discovers the server as `oauth4webapi` does, by either document. */
export async function discover(
  server: RunningServer,
  algorithm: 'oauth2' | 'oidc' = 'oauth2',
): Promise<oauth.AuthorizationServer> {
  const issuer = new URL(server.issuer)
  const response = await oauth.discoveryRequest(issuer, { algorithm, ...HTTP })
  return oauth.processDiscoveryResponse(issuer, response)
}

/** Registers a client with `oauth4webapi`. */
export async function register(
  server: RunningServer,
  method: Method,
  { alg = 'ES256', ...metadata }: { alg?: string } & Record<string, unknown> = {},
): Promise<StandardClient> {
  const keys = method === 'private_key_jwt' ? await generateKeys(alg) : undefined
  const jwk = keys && { ...(await crypto.subtle.exportKey('jwk', keys.publicKey)), alg, use: 'sig' }
  const { key_ops: _, ext: __, ...publicJwk } = jwk ?? {}
  const response = await oauth.dynamicClientRegistrationRequest(
    await discover(server),
    {
      client_name: `a ${method} client`,
      token_endpoint_auth_method: method,
      scope: SCOPE,
      ...(jwk && { jwks: { keys: [publicJwk] } }),
      ...metadata,
    } as Partial<oauth.OmitSymbolProperties<oauth.Client>>,
    HTTP,
  )
  const registered = await oauth.processDynamicClientRegistrationResponse(response)
  return {
    id: registered.client_id,
    method,
    secret: registered['client_secret'] as string | undefined,
    keys,
    registrationToken: registered['registration_access_token'] as string,
  }
}

/** How a client authenticates in `oauth4webapi`. */
export function authenticate({ method, secret, keys }: StandardClient): oauth.ClientAuth {
  switch (method) {
    case 'client_secret_basic':
      return oauth.ClientSecretBasic(secret ?? '')
    case 'client_secret_post':
      return oauth.ClientSecretPost(secret ?? '')
    case 'private_key_jwt':
      return oauth.PrivateKeyJwt((keys as webcrypto.CryptoKeyPair).privateKey)
  }
}

/** Discovers the server as `openid-client` does, as a client that is registered already. */
export function openClient(
  server: RunningServer,
  { id, method, secret, keys }: StandardClient,
): Promise<openid.Configuration> {
  const authentication = {
    client_secret_basic: () => openid.ClientSecretBasic(secret),
    client_secret_post: () => openid.ClientSecretPost(secret),
    private_key_jwt: () => openid.PrivateKeyJwt((keys as webcrypto.CryptoKeyPair).privateKey),
  }[method]()
  return openid.discovery(new URL(server.issuer), id, undefined, authentication, {
    algorithm: 'oauth2',
    execute: [openid.allowInsecureRequests],
  })
}

async function generateKeys(alg: string): Promise<webcrypto.CryptoKeyPair> {
  const rsa = { modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' }
  const parameters: Record<
    string,
    webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams | webcrypto.Algorithm
  > = {
    ES256: { name: 'ECDSA', namedCurve: 'P-256' },
    ES384: { name: 'ECDSA', namedCurve: 'P-384' },
    RS256: { name: 'RSASSA-PKCS1-v1_5', ...rsa },
    PS256: { name: 'RSA-PSS', ...rsa },
    Ed25519: { name: 'Ed25519' },
  }
  return (await crypto.subtle.generateKey(parameters[alg] as webcrypto.EcKeyGenParams, true, [
    'sign',
    'verify',
  ])) as webcrypto.CryptoKeyPair
}
