import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { isJsonObject, type Json, type JsonObject, parseStrictJson } from '../core/strict-json.js'
import type { JsonWebKeySet } from '../verify/index.js'
import { readTextFile } from './text-file.js'

/** The members of a JWK that only its owner has, RFC 7518 §6. */
const PRIVATE: ReadonlySet<string> = new Set(['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth'])

/** Reads a JWK or a JWK Set; throws `not_found` and `usage`. */
export async function readKeySetFile(path: string): Promise<JsonWebKeySet> {
  const keys = parseJson(path, await readTextFile(path))
  if ('kty' in keys) return toKeySet(keys)
  if (Array.isArray(keys['keys'])) return keys as unknown as JsonWebKeySet
  throw new AuthsecError('usage', `${quote(path)} is not a key set`, {
    hint: 'Give a file with a JWK or a JWK set in it, or the URL of one.',
  })
}

/**
 * Reads the keys by which a client proves itself. Throws what `readKeySetFile` throws, and `usage` for a private key,
 * which has to go nowhere.
 */
export async function readPublicKeySetFile(path: string): Promise<JsonObject> {
  const { keys } = (await readKeySetFile(path)) as unknown as { keys: Json[] }
  const secret = keys.find((key) => isJsonObject(key) && ['k', ...PRIVATE].some((member) => member in key))
  if (secret === undefined) return { keys }
  const { kid } = secret as JsonObject
  throw new AuthsecError(
    'usage',
    `${kid === undefined ? 'a key' : `the key ${quote(kid)}`} in ${quote(path)} is not public`,
    { hint: 'Take the public parts only: authsec keys jwks KEY > jwks.json.' },
  )
}

/**
 * Reads the key that is believed, in PEM (a public key or a certificate) or as a JWK. It answers to the name by which
 * the token calls its key: whoever gives one key means that one. Throws `not_found` and `usage`.
 */
export async function readKeyFile(path: string, { kid }: JsonObject): Promise<JsonWebKeySet> {
  const text = await readTextFile(path)
  const { kid: _own, ...jwk } = text.includes('-----BEGIN')
    ? await readPem(path, text)
    : omitPrivate(parseJson(path, text))
  if ('keys' in jwk) {
    throw new AuthsecError('usage', `${quote(path)} is a set of keys, not one key`, {
      hint: 'Give it with --jwks and --issuer.',
    })
  }
  if (!('kty' in jwk)) {
    throw new AuthsecError('usage', `${quote(path)} is neither PEM nor a JWK`, {
      hint: 'Give a public key in PEM, a certificate or a JWK.',
    })
  }
  return toKeySet(kid === undefined ? jwk : { ...jwk, kid })
}

// As of a PEM: whoever has the private key has the public one too.
function omitPrivate(jwk: JsonObject): JsonObject {
  return jwk['kty'] === 'oct'
    ? jwk
    : Object.fromEntries(Object.entries(jwk).filter(([name]) => !PRIVATE.has(name)))
}

async function readPem(path: string, text: string): Promise<JsonObject> {
  const { createPublicKey } = await import('node:crypto')
  try {
    return createPublicKey(text).export({ format: 'jwk' }) as JsonObject
  } catch (error) {
    throw new AuthsecError('usage', `the PEM in ${quote(path)} holds no key that can be read`, {
      hint: 'Give a public key (-----BEGIN PUBLIC KEY-----) or a certificate.',
      cause: error,
    })
  }
}

function parseJson(path: string, text: string): JsonObject {
  let value: Json
  try {
    value = parseStrictJson(text)
  } catch (error) {
    throw new AuthsecError('usage', `${quote(path)} is not JSON`, {
      hint: 'Give a JWK or a JWK set: authsec keys jwks KEY > jwks.json makes one of PEM.',
      cause: error,
    })
  }
  if (isJsonObject(value)) return value
  throw new AuthsecError('usage', `${quote(path)} is not a JSON object`)
}

function toKeySet(jwk: JsonObject): JsonWebKeySet {
  return { keys: [jwk] } as unknown as JsonWebKeySet
}
