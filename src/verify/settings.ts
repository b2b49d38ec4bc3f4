import type { BaseClaims, CallClaims } from '../core/claims.js'
import { MAX_CHAIN_DEPTH } from '../core/delegation.js'
import { AuthsecError } from '../core/errors.js'
import { assertMembers, type MembersOf } from '../core/option-checks.js'
import { quote } from '../core/printable.js'
import { parseServerUrl } from '../core/server-url.js'
import type { JsonObject } from '../core/strict-json.js'
import { type Algorithm, isAlgorithm } from './algorithm.js'
import type { VerifyEvent } from './events.js'
import type { ApiClientOptions } from './issuer-client.js'
import { type JsonWebKeySet, parseKeySet, type VerificationKey } from './jwk.js'
import { readFunction, readList, readNumber, readText } from './option-values.js'
import type { TokenCacheOptions, VerifierOptions } from './options.js'
import { PROFILES, type ProfileName } from './profile.js'
import type { ReplayStore } from './replay.js'

/** Options that have been checked and completed. */
export interface Settings {
  source: { serverUrl: URL } | { issuers: readonly string[]; keys: readonly VerificationKey[] | URL }
  tenant: string | undefined
  audience: readonly string[]
  profiles: readonly ProfileName[]
  algorithms: readonly Algorithm[]
  clockToleranceSeconds: { usual: number; oneTime: number }
  maxChainDepth: number
  staleGraceMs: number
  replay: 'server' | ReplayStore | undefined
  /** Undefined: the server is never asked. */
  introspect: ((claims: Readonly<CallClaims> | Readonly<BaseClaims>) => boolean) | undefined
  useReceipts: boolean
  client: ApiClientOptions | undefined
  /** Undefined: no token is remembered. */
  tokenCache: Required<TokenCacheOptions> | undefined
  /** The name by which the API is described, RFC 9728: of several the one that has an address. */
  resource: string
  resourceMetadata: string | undefined
  onEvent: (event: VerifyEvent) => void
  fetch: typeof globalThis.fetch
  clock: () => number
}

const OPTIONS: MembersOf<VerifierOptions> = {
  serverUrl: 1,
  issuer: 1,
  jwks: 1,
  tenant: 1,
  audience: 1,
  profiles: 1,
  algorithms: 1,
  clockToleranceSeconds: 1,
  maxChainDepth: 1,
  staleGraceSeconds: 1,
  replay: 1,
  introspect: 1,
  useReceipts: 1,
  client: 1,
  tokenCache: 1,
  resourceMetadata: 1,
  onEvent: 1,
  fetch: 1,
  clock: 1,
}
const DEFAULT_ALGORITHMS: readonly Algorithm[] = ['ES256', 'RS256']
const CLOCK_TOLERANCE = { least: 0, most: 5 }
const CHAIN_DEPTH = { least: 1, most: MAX_CHAIN_DEPTH, usual: MAX_CHAIN_DEPTH }
const STALE_GRACE = { least: 0, most: 86_400, usual: 3_600 }
const CACHED_TOKENS = { least: 1, most: 100_000, usual: 1_000 }
const CACHED_SECONDS = { least: 1, most: 60, usual: 60 }

/**
 * Checks the options of a verifier and fills in what was left out. Throws a `TypeError` for a value of the wrong
 * kind and `configuration` for values that cannot work or contradict each other, and for members that there are not.
 */
export function readOptions(options: VerifierOptions): Settings {
  assertMembers('the options of a verifier', options, OPTIONS)
  const { clockToleranceSeconds: tolerance } = options
  const profiles = readList('profiles', options.profiles ?? ['call'])
  const source = readSource(options, profiles)
  const audience = readList('audience', options.audience)
  const resource = audience.find(hasAddress) ?? (audience[0] as string)
  return {
    source,
    tenant: options.tenant === undefined ? undefined : readText('tenant', options.tenant),
    audience,
    profiles: profiles.map(readProfile),
    algorithms: readList('algorithms', options.algorithms ?? DEFAULT_ALGORITHMS).map(readAlgorithm),
    clockToleranceSeconds: {
      usual: readNumber('clockToleranceSeconds', tolerance, { ...CLOCK_TOLERANCE, usual: 5 }),
      oneTime: readNumber('clockToleranceSeconds', tolerance, { ...CLOCK_TOLERANCE, usual: 0 }),
    },
    maxChainDepth: readNumber('maxChainDepth', options.maxChainDepth, CHAIN_DEPTH),
    staleGraceMs: readNumber('staleGraceSeconds', options.staleGraceSeconds, STALE_GRACE) * 1000,
    ...readConsultation(options, source),
    tokenCache: readTokenCache(options.tokenCache ?? true),
    resource,
    resourceMetadata: readResourceMetadata(options.resourceMetadata, resource),
    onEvent: shieldListener(readFunction('onEvent', options.onEvent, () => {})),
    // Looked up with each request: one that takes its place later, to trace or to test, is used too.
    fetch: readFunction('fetch', options.fetch, (...request) => globalThis.fetch(...request)),
    clock: readFunction('clock', options.clock, Date.now),
  }
}

// What the server is asked about single tokens, and as whom.
function readConsultation(
  { replay, introspect, useReceipts = false, client }: VerifierOptions,
  source: Settings['source'],
): Pick<Settings, 'replay' | 'introspect' | 'useReceipts' | 'client'> {
  if (typeof replay === 'object' ? typeof replay?.add !== 'function' : replay && replay !== 'server') {
    throw new TypeError('the option "replay" is neither "server" nor a store with a method add')
  }
  if (client !== undefined) {
    assertMembers('the client options of a verifier', client, { clientId: 1, credentials: 1 })
    readText('client.clientId', client.clientId)
  }
  const asks = [
    replay === 'server' && 'replay',
    introspect && 'introspect',
    useReceipts && 'useReceipts',
  ].find((name) => name)
  if (asks && !('serverUrl' in source && client !== undefined)) {
    throw misconfigured(
      `the server cannot be asked for "${asks}" by an API that is not known to it`,
      'Pass serverUrl and client: the client that is registered as the owner of the resource.',
    )
  }
  return {
    replay: replay || undefined,
    introspect:
      introspect === true ? () => true : readFunction('introspect', introspect || undefined, undefined),
    useReceipts,
    client,
  }
}

function readTokenCache(given: boolean | TokenCacheOptions): Settings['tokenCache'] {
  if (given === false) return undefined
  const cache = given === true ? {} : given
  assertMembers('the tokenCache options of a verifier', cache, { entries: 1, seconds: 1 })
  const { entries, seconds } = cache
  return {
    entries: readNumber('tokenCache.entries', entries, CACHED_TOKENS),
    seconds: readNumber('tokenCache.seconds', seconds, CACHED_SECONDS),
  }
}

// RFC 9728 §3.1: the well-known part stands between the host and the path of the resource.
function readResourceMetadata(
  given: VerifierOptions['resourceMetadata'],
  resource: string,
): string | undefined {
  if (given === false) return undefined
  if (given !== undefined) return parseServerUrl(given).href
  if (!hasAddress(resource)) return undefined
  const { origin, pathname, search } = new URL(resource)
  return `${origin}/.well-known/oauth-protected-resource${pathname === '/' ? '' : pathname}${search}`
}

function hasAddress(name: string): boolean {
  return /^https?:/.test(name) && URL.canParse(name)
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
