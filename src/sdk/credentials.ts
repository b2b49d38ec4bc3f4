import { AuthsecError } from '../core/errors.js'
import { assertMembers, readChoice } from '../core/option-checks.js'
import type { Clock } from './clock.js'
import { type PlatformKey, type PrivateJwk, readPrivateKey } from './private-key.js'
import type { SigningKey } from './signing-key.js'

/** With what an agent proves to the server that it is the client it says; a public agent has nothing (RFC 6749 §2.3). */
export type ClientCredentials =
  | {
      clientSecret: string
      /** As the client is registered; `client_secret_basic` by default. */
      method?: 'client_secret_basic' | 'client_secret_post'
    }
  | {
      /**
       * RFC 7523 §2.2: a private key as a JWK, as JSON text of one, as PKCS #8 in PEM, or as a CryptoKey that may sign.
       */
      privateKeyJwt: PrivateJwk | PlatformKey | string
    }
  | {
      /** Whatever else the server takes: called for each request that is sent. */
      custom: (request: { audience: string; clientId: string }) => Promise<ClientProof>
    }

/** What a request carries to prove who sends it. */
export interface ClientProof {
  headers?: Readonly<Record<string, string>>
  form?: Readonly<Record<string, string>>
}

/** Proves who the client is, anew for each request that is sent: an assertion is good for one. */
export type Authenticate = (audience: string) => Promise<ClientProof>

const METHODS = ['client_secret_basic', 'client_secret_post'] as const

/**
 * Checks the credentials when the client is made; throws `configuration`, in which nothing of them is repeated. Whether a
 * private key can sign is known when it is first used.
 */
export function createAuthenticate(
  credentials: ClientCredentials | 'none' | undefined,
  { clientId, clock }: { clientId: string; clock: Clock },
): Authenticate | undefined {
  if (credentials === undefined || credentials === 'none') return undefined
  if (typeof credentials !== 'object' || credentials === null)
    throw misconfigured('credentials are not an object')
  if ('custom' in credentials) {
    assertMembers('credentials with custom', credentials, { custom: 1 })
    const { custom } = credentials
    if (typeof custom !== 'function') throw misconfigured('credentials.custom is not a function')
    return async (audience) => {
      try {
        return await custom({ audience, clientId })
      } catch (cause) {
        throw new AuthsecError('configuration', 'credentials.custom has failed', { cause })
      }
    }
  }
  if ('clientSecret' in credentials) {
    assertMembers('credentials with clientSecret', credentials, { clientSecret: 1, method: 1 })
    const { clientSecret, method = 'client_secret_basic' } = credentials
    if (typeof clientSecret !== 'string' || clientSecret === '') {
      throw misconfigured('credentials.clientSecret is not a text with something in it')
    }
    const proof =
      readChoice('credentials.method', method, METHODS) === 'client_secret_post'
        ? { form: { client_secret: clientSecret } }
        : { headers: { authorization: `Basic ${encodeBasic(clientId, clientSecret)}` } }
    return async () => proof
  }
  if (!('privateKeyJwt' in credentials)) {
    throw misconfigured('credentials hold neither clientSecret, nor privateKeyJwt, nor custom')
  }
  assertMembers('credentials with privateKeyJwt', credentials, { privateKeyJwt: 1 })
  const given = readPrivateKey(credentials.privateKeyJwt)
  let key: Promise<SigningKey> | undefined
  return async (audience) => {
    const { importSigningKey, proveByKey } = await import('./on-demand.js')
    key ??= importSigningKey(given)
    return proveByKey(await key, { clientId, audience, clock })
  }
}

// RFC 6749 §2.3.1: both halves are form-encoded before they are joined.
function encodeBasic(clientId: string, secret: string): string {
  const encoded = new URLSearchParams({ [clientId]: secret }).toString().replace('=', ':')
  return btoa(encoded)
}

function misconfigured(message: string): AuthsecError {
  return new AuthsecError('configuration', message)
}
