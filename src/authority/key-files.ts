import {
  createPrivateKey,
  createPublicKey,
  generateKeyPair,
  type JsonWebKeyInput,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'
import { promisify } from 'node:util'
import { calculateJwkThumbprint, type JWK } from 'jose'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { isJsonObject } from '../core/strict-json.js'

/** A key that somebody keeps in a file, whatever form it has there. */
export interface FileKey {
  /** RFC 7638 thumbprint. */
  kid: string
  /** RFC 7518 §3.1: what the key signs, where only one algorithm fits or the file says which. */
  alg: string
  publicKey: KeyObject
  /** Undefined where the file holds the public part only. */
  privateKey: KeyObject | undefined
  /** `authsec_purpose` of a JWK: which keys of a server it is to be one of. */
  purpose?: string | undefined
  /** `authsec_state` of a JWK: whether it signs in a new state or is the next one to. */
  state?: string | undefined
}

/** The forms in which a key is written. */
export type KeyFormat = 'jwk' | 'pem'

/** What can be generated: the algorithms of tokens. */
export const GENERATED_ALGORITHMS = ['ES256', 'RS256', 'EdDSA'] as const
export type GeneratedAlgorithm = (typeof GENERATED_ALGORITHMS)[number]

// Beside other work: an RSA key takes a good while.
const generatePair = promisify(generateKeyPair)

const MIN_RSA_BITS = 2048
/** Before each block of PEM. */
const PEM_BLOCK = /^(?=-----BEGIN )/m
const UNREADABLE = 'holds no key that can be read'
/** Members of our own, RFC 7517 §4. */
const OWN_MEMBERS = { purpose: 'authsec_purpose', state: 'authsec_state' } as const
const CURVES: Readonly<Record<string, string>> = {
  'P-256': 'ES256',
  'P-384': 'ES384',
  'P-521': 'ES512',
  Ed25519: 'EdDSA',
}
/** RFC 9864 gives it a name of its own. */
const ALIASES: Readonly<Record<string, string>> = { Ed25519: 'EdDSA' }
const RSA_ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']

/** Makes a key pair. */
export async function generateKey(alg: GeneratedAlgorithm): Promise<FileKey> {
  return toFileKey(await generatePrivate(alg), alg, 'the new key')
}

/**
 * Reads keys: PEM (PKCS #8, PKCS #1, SEC 1, SPKI, certificates, any number of them, RFC 7468), a JWK or a JWK Set
 * (RFC 7517). Throws `key_malformed` naming `source` for what is none of these, is symmetric, too weak, or a private
 * key that is not that of its public part.
 */
export async function parseKeys(text: string, source: string): Promise<FileKey[]> {
  const trimmed = text.trim()
  if (PEM_BLOCK.test(trimmed)) return parsePem(trimmed, source)
  const document = parseJson(trimmed, source)
  const jwks = Array.isArray(document['keys']) ? document['keys'] : [document]
  if (jwks.length === 0) throw malformed(source, 'holds no key')
  return Promise.all(jwks.map((jwk) => parseJwk(jwk, source)))
}

/** Each key once, whatever it stands in, with its private part where that is there. */
export function joinKeys(keys: readonly FileKey[]): FileKey[] {
  const joined = new Map<string, FileKey>()
  for (const key of keys) {
    if (joined.get(key.kid)?.privateKey === undefined) joined.set(key.kid, key)
  }
  return [...joined.values()]
}

/** A key as a JWK with its id, use and algorithm (RFC 7517 §4); the private part only where it is asked for. */
export function formatJwk(fileKey: FileKey, part: 'public' | 'private'): JWK {
  const { kid, alg, publicKey, privateKey } = fileKey
  const key = part === 'private' ? requirePrivate(privateKey, kid) : publicKey
  const jwk: JWK = { ...(key.export({ format: 'jwk' }) as JWK), kid, use: 'sig', alg }
  for (const [name, member] of Object.entries(OWN_MEMBERS)) {
    const value = fileKey[name as keyof typeof OWN_MEMBERS]
    if (value !== undefined) Object.assign(jwk, { [member]: value })
  }
  return jwk
}

/** A key as PEM: PKCS #8 or SPKI. */
export function formatPem({ kid, publicKey, privateKey }: FileKey, part: 'public' | 'private'): string {
  return part === 'private'
    ? requirePrivate(privateKey, kid).export({ format: 'pem', type: 'pkcs8' }).toString()
    : publicKey.export({ format: 'pem', type: 'spki' }).toString()
}

async function generatePrivate(alg: GeneratedAlgorithm): Promise<KeyObject> {
  switch (alg) {
    case 'ES256':
      return (await generatePair('ec', { namedCurve: 'P-256' })).privateKey
    case 'RS256':
      return (await generatePair('rsa', { modulusLength: MIN_RSA_BITS })).privateKey
    case 'EdDSA':
      return (await generatePair('ed25519', {})).privateKey
  }
}

async function parsePem(text: string, source: string): Promise<FileKey[]> {
  if (/^-----BEGIN ENCRYPTED |^Proc-Type: 4,ENCRYPTED/m.test(text)) {
    throw malformed(source, 'is encrypted', 'Decrypt it first, for example with: openssl pkey -in FILE.')
  }
  // RFC 7468 §2: what stands between the blocks is for people. The parameters of a curve stand in the key too.
  const blocks = text.split(PEM_BLOCK).filter((block) => /^-----BEGIN (?!\w+ PARAMETERS-)/.test(block))
  if (blocks.length === 0) throw malformed(source, UNREADABLE)
  const keys = blocks.map((block) => {
    const isPrivate = /^-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/.test(block)
    const key = importKey(() => (isPrivate ? createPrivateKey(block) : createPublicKey(block)), source)
    return toFileKey(key, undefined, source)
  })
  return joinKeys(await Promise.all(keys))
}

async function parseJwk(jwk: unknown, source: string): Promise<FileKey> {
  if (!isJsonObject(jwk as never)) throw malformed(source, 'holds something that is no JWK')
  const { kty, alg, use, d } = jwk as JWK
  if (kty === 'oct') throw malformed(source, 'holds a symmetric key', 'A symmetric key has no public part.')
  if (use !== undefined && use !== 'sig')
    throw malformed(source, `holds a key for ${quote(use)}, not for signing`)
  const input = { key: jwk, format: 'jwk' } as JsonWebKeyInput
  const key = importKey(() => (d === undefined ? createPublicKey(input) : createPrivateKey(input)), source)
  const fileKey = await toFileKey(key, ALIASES[alg ?? ''] ?? alg, source)
  const members = jwk as Record<string, unknown>
  const own = Object.entries(OWN_MEMBERS).flatMap(([name, member]) => {
    const value = members[member]
    if (value === undefined) return []
    if (typeof value === 'string') return [[name, value]]
    throw malformed(source, `holds a key whose ${member} is no text`)
  })
  return { ...fileKey, ...Object.fromEntries(own) }
}

async function toFileKey(key: KeyObject, alg: string | undefined, source: string): Promise<FileKey> {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key
  const privateKey = key.type === 'private' ? key : undefined
  if (publicKey.asymmetricKeyType === 'rsa-pss') {
    throw malformed(
      source,
      'is of a kind that signs no token (rsa-pss)',
      'No JWK says what such a key is bound to: take a plain RSA key, also for PS256.',
    )
  }
  const publicJwk = importKey(() => publicKey.export({ format: 'jwk' }) as JWK, source)
  const known = publicJwk.kty === 'RSA' ? RSA_ALGORITHMS : [CURVES[publicJwk.crv ?? ''] ?? '']
  if (known[0] === '')
    throw malformed(source, `is of a kind that signs no token (${publicJwk.crv ?? publicJwk.kty})`)
  if (alg !== undefined && !known.includes(alg)) {
    throw malformed(source, `says ${quote(alg)}, which its key cannot do`)
  }
  const { modulusLength = MIN_RSA_BITS } = publicKey.asymmetricKeyDetails ?? {}
  if (modulusLength < MIN_RSA_BITS) {
    throw malformed(source, `is an RSA key of ${modulusLength} bits`, `Tokens need at least ${MIN_RSA_BITS}.`)
  }
  if (privateKey !== undefined) assertPair(privateKey, publicKey, source)
  return { kid: await calculateJwkThumbprint(publicJwk), alg: alg ?? known[0] ?? '', publicKey, privateKey }
}

// A JWK carries both parts, and nothing says that they belong together.
function assertPair(privateKey: KeyObject, publicKey: KeyObject, source: string): void {
  const data = Buffer.from('authsec')
  const digest = privateKey.asymmetricKeyType === 'ed25519' ? null : 'sha256'
  const isPair = importKey(() => verify(digest, data, publicKey, sign(digest, data, privateKey)), source)
  if (!isPair) throw malformed(source, 'holds a private part that is not that of its public part')
}

function importKey<T>(read: () => T, source: string): T {
  try {
    return read()
  } catch {
    // What OpenSSL says of it may repeat what was read.
    throw malformed(source, UNREADABLE)
  }
}

function parseJson(text: string, source: string): Record<string, unknown> {
  try {
    const value = JSON.parse(text)
    if (isJsonObject(value)) return value
  } catch {
    // It is told below, without the text.
  }
  throw malformed(source, 'is no PEM, JWK or JWK Set')
}

function requirePrivate(privateKey: KeyObject | undefined, kid: string): KeyObject {
  if (privateKey !== undefined) return privateKey
  throw new AuthsecError('usage', `the key ${kid} has no private part here`, {
    hint: 'Name the file that holds it, or leave out --private.',
  })
}

function malformed(source: string, why: string, hint?: string): AuthsecError {
  return new AuthsecError('key_malformed', `${source} ${why}`, { hint })
}
