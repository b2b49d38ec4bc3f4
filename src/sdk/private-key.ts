import { AuthsecError } from '../core/errors.js'
import { isJsonObject } from '../core/strict-json.js'

/** A key of the platform; named by what makes one, because Node and the Web name its type differently. */
export type PlatformKey = Awaited<ReturnType<typeof crypto.subtle.importKey>>

/** A private key as JSON (RFC 7517), with whatever else stands in it. */
export type PrivateJwk = Readonly<Record<string, unknown>>

/** A private key in one of its forms; what kind of key it is has not been looked at. */
export type PrivateKey = { jwk: PrivateJwk } | { pkcs8: string } | { key: PlatformKey }

const PEM = /-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END PRIVATE KEY-----/

/**
 * Reads a private key: a JWK, JSON text of one, PKCS #8 in PEM, or a CryptoKey. Throws `configuration` for what is none
 * of them, and never repeats any of it.
 */
export function readPrivateKey(given: PrivateJwk | PlatformKey | string): PrivateKey {
  if (typeof given === 'string') {
    const [, pkcs8] = PEM.exec(given) ?? []
    return pkcs8 === undefined ? readJwk(parseJson(given)) : { pkcs8 }
  }
  if (!isPlatformKey(given)) return readJwk(given)
  if (!given.usages.includes('sign')) throw unusableKey('it may not sign')
  return { key: given }
}

/** What a key of no use is refused with. */
export function unusableKey(why: string): AuthsecError {
  return new AuthsecError('configuration', `the client's key is of no use: ${why}`, {
    hint: 'Give a private key as a JWK or as PKCS #8 in PEM (BEGIN PRIVATE KEY).',
  })
}

function readJwk(jwk: unknown): PrivateKey {
  if (!isJsonObject(jwk)) throw unusableKey('it is neither a JWK nor PKCS #8 in PEM')
  const { d, keys } = jwk
  // A set with one key in it is what many tools write.
  if (Array.isArray(keys) && keys.length === 1) return readJwk(keys[0])
  if (typeof d !== 'string') throw unusableKey('it is no private key')
  return { jwk: { ...jwk } }
}

function isPlatformKey(given: object): given is PlatformKey {
  return 'algorithm' in given && 'usages' in given
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
