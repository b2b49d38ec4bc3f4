import { MAX_CHAIN_DEPTH } from '../core/delegation.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { parseServerUrl } from '../core/server-url.js'
import type { JsonObject } from '../core/strict-json.js'
import { type Algorithm, isAlgorithm } from './algorithm.js'
import { type JsonWebKeySet, parseKeySet, type VerificationKey } from './jwk.js'
import type { VerifyEvent } from './key-set.js'
import { PROFILES, type ProfileName } from './profile.js'

/** Whom a verifier believes: a server, or an issuer with its keys. */
export interface VerifierOptions {
  /** The AuthSec server: issuer, keys and tenant follow from its metadata (RFC 8414), which is read once. */
  serverUrl?: string | URL | undefined
  /** Without a server: the issuers whose call tokens are accepted. */
  issuer?: string | readonly string[] | undefined
  /** Without a server: the keys, or the URL of the key set. */
  jwks?: string | URL | JsonWebKeySet | undefined
  /** The tenant whose tokens are accepted; by default the server's, and any where nobody names one. */
  tenant?: string | undefined
  /** The name of this API, or its names: the resource that a token has to be for, byte for byte. */
  audience: string | readonly string[]
  /** The kinds of token that are accepted, `['call']` by default. Each kind has its own keys. */
  profiles?: readonly ProfileName[] | undefined
  /** The signature algorithms of call tokens, ES256 and RS256 by default. Base tokens are always RS256. */
  algorithms?: readonly Algorithm[] | undefined
  /** How many seconds a token is still accepted after its expiry: 0 to 5, by default 5. */
  clockToleranceSeconds?: number | undefined
  /** The longest chain of actors, 1 to 5, by default 5. */
  maxChainDepth?: number | undefined
  /** Is told when keys were loaded or could not be. */
  onEvent?: ((event: VerifyEvent) => void) | undefined
  fetch?: typeof globalThis.fetch | undefined
  /** The time in milliseconds since the epoch. */
  clock?: (() => number) | undefined
}

/** Options that have been checked and completed. */
export interface Settings {
  source: { serverUrl: URL } | { issuers: readonly string[]; keys: readonly VerificationKey[] | URL }
  tenant: string | undefined
  audience: readonly string[]
  profiles: readonly ProfileName[]
  algorithms: readonly Algorithm[]
  clockToleranceSeconds: number
  maxChainDepth: number
  onEvent: (event: VerifyEvent) => void
  fetch: typeof globalThis.fetch
  clock: () => number
}

const DEFAULT_ALGORITHMS: readonly Algorithm[] = ['ES256', 'RS256']
const MAX_CLOCK_TOLERANCE = 5

/**
 * Checks the options of a verifier and fills in what was left out. Throws a `TypeError` for a value of the wrong
 * kind and `configuration` for values that cannot work or contradict each other.
 */
export function readOptions(options: VerifierOptions): Settings {
  const profiles = readList('profiles', options.profiles ?? ['call'])
  const source = readSource(options, profiles)
  return {
    source,
    tenant: options.tenant === undefined ? undefined : readText('tenant', options.tenant),
    audience: readList('audience', options.audience),
    profiles: profiles.map(readProfile),
    algorithms: readList('algorithms', options.algorithms ?? DEFAULT_ALGORITHMS).map(readAlgorithm),
    clockToleranceSeconds: readNumber(
      'clockToleranceSeconds',
      options.clockToleranceSeconds,
      MAX_CLOCK_TOLERANCE,
      0,
    ),
    maxChainDepth: readNumber('maxChainDepth', options.maxChainDepth, MAX_CHAIN_DEPTH, 1),
    onEvent: shieldListener(readFunction('onEvent', options.onEvent, () => {})),
    fetch: readFunction('fetch', options.fetch, globalThis.fetch),
    clock: readFunction('clock', options.clock, Date.now),
  }
}

function readSource(options: VerifierOptions, profiles: readonly string[]): Settings['source'] {
  const { serverUrl, issuer, jwks, tenant } = options
  if (serverUrl !== undefined) {
    if (issuer !== undefined || jwks !== undefined) {
      throw misconfigured(
        'a verifier believes a server or an issuer with its keys, not both',
        'Pass serverUrl alone, or issuer with jwks.',
      )
    }
    return { serverUrl: parseServerUrl(serverUrl) }
  }
  if (jwks === undefined) {
    throw misconfigured('a verifier needs someone to believe', 'Pass serverUrl, or issuer with jwks.')
  }
  if (profiles.length > 1) {
    throw misconfigured(
      'one key set is for one kind of token',
      'Pass one profile with jwks, or serverUrl for both.',
    )
  }
  const keys = readKeys(jwks)
  if (profiles[0] === 'call') return { issuers: readList('issuer', issuer), keys }
  if (tenant === undefined || issuer !== undefined) {
    throw misconfigured('the issuer of base tokens is their tenant', 'Pass tenant, without issuer.')
  }
  return { issuers: [`spiffe://${tenant}`], keys }
}

function readKeys(jwks: string | URL | JsonWebKeySet): readonly VerificationKey[] | URL {
  if (typeof jwks === 'string' || jwks instanceof URL) return parseServerUrl(jwks)
  if (typeof jwks !== 'object' || jwks === null || !Array.isArray(jwks.keys)) {
    throw new TypeError('the option "jwks" is neither a URL nor an object with a list of keys')
  }
  const keys = parseKeySet(jwks as unknown as JsonObject, 'jwks')
  if (keys.length === 0) {
    throw misconfigured(
      'no key of jwks can verify a signature',
      'Pass public signing keys: EC, Ed25519, or RSA from 2048 bits.',
    )
  }
  return keys
}

function readProfile(name: string): ProfileName {
  if (!Object.hasOwn(PROFILES, name))
    throw misconfigured(`${quote(name)} is not a profile`, 'Use call or base.')
  return name as ProfileName
}

function readAlgorithm(name: string): Algorithm {
  if (!isAlgorithm(name)) {
    throw misconfigured(
      `the algorithm ${quote(name)} cannot be allowed`,
      'Allow signatures by public keys, such as ES256.',
    )
  }
  return name
}

function readText(name: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw new TypeError(`the option "${name}" is not a text`)
  return value
}

function readList(name: string, value: unknown): readonly string[] {
  const list = Array.isArray(value) ? value : [value]
  if (list.length === 0) throw new TypeError(`the option "${name}" is empty`)
  return list.map((item) => readText(name, item))
}

function readNumber(name: string, value: unknown, most: number, least: number): number {
  if (value === undefined) return most
  if (!Number.isInteger(value) || (value as number) < least || (value as number) > most) {
    throw new TypeError(`the option "${name}" is not a whole number from ${least} to ${most}`)
  }
  return value as number
}

function readFunction<T>(name: string, value: T | undefined, fallback: T): T {
  if (value !== undefined && typeof value !== 'function')
    throw new TypeError(`the option "${name}" is not a function`)
  return value ?? fallback
}

// What a listener does to an event must not decide about a token.
function shieldListener(listener: Settings['onEvent']): Settings['onEvent'] {
  return (event) => {
    try {
      listener(event)
    } catch {}
  }
}

function misconfigured(message: string, hint: string): AuthsecError {
  return new AuthsecError('configuration', message, { hint })
}
