import { AuthsecError } from '../core/errors.js'
import { assertMembers, type MembersOf, readChoice } from '../core/option-checks.js'
import { quote } from '../core/printable.js'
import { parseServerUrl } from '../core/server-url.js'
import { isUuid } from '../core/uuid.js'
import { type Audiences, createAudiences } from './audiences.js'
import { type Clock, systemClock } from './clock.js'
import { type Authenticate, type ClientCredentials, createAuthenticate } from './credentials.js'
import { readCredentialsFile, readSurroundings } from './credentials-file.js'
import type { AuthsecEvent } from './events.js'
import type { HttpOptions } from './http.js'

/** What is kept, and for how long. */
export interface CacheOptions {
  /** How many call tokens are kept at most, 1,000 by default. */
  capacity: number
  /** How many of them for one subject, 64 by default: a busy user costs others nothing. */
  perSubject: number
  /** No call token is kept for longer, whatever it says, in seconds; 900 by default. */
  maxTtlSeconds: number
  /** Whether a call token that lives longer than an hour is refused; it is not by default. */
  strictTtl: boolean
}

/** One API: what it calls itself, and where it is reached. */
export interface AudienceOptions {
  resource: string
  /** Origins such as `https://billing.example`, https or on this machine. */
  origins?: readonly string[] | undefined
}

/** The server and the agent are all that a client needs to know. */
export interface AuthsecClientOptions {
  /** Where the AuthSec server is: https, or http on this machine. */
  serverUrl: string | URL
  /** The UUID under which the agent is registered. An identifier, not a secret. */
  clientId: string
  /**
   * With what the agent proves to a shared server who it is. Left out, the files that `AUTHSEC_CLIENT_KEY_FILE` or
   * `AUTHSEC_CLIENT_SECRET_FILE` of the environment name; without them, and with `none` whatever the environment names,
   * the agent is a public one.
   */
  credentials?: ClientCredentials | 'none' | undefined
  /**
   * The APIs by names of one's own: `audience` may be such a name, and `fetch` sends the tokens of an API to its origins
   * only (without any: to that of the resource).
   */
  audiences?: Readonly<Record<string, AudienceOptions>> | undefined
  /**
   * `auto` (the default) exchanges the base token for a call token where the server says that it issues them,
   * `exchange` also where it does not say so, and `pull` never.
   */
  transport?: 'auto' | 'pull' | 'exchange' | undefined
  /**
   * What happens to a request for a narrower token where none can be had: `best-effort` (the default) gives the
   * base token and says so once, `required` throws `exchange_unsupported`.
   */
  narrow?: 'required' | 'best-effort' | undefined
  cache?: Partial<CacheOptions> | undefined
  http?: Partial<HttpOptions> | undefined
  /** Told what happens, without any token material. What it throws is ignored. */
  onEvent?: ((event: AuthsecEvent) => void) | undefined
  clock?: Clock | undefined
  /** Between 0 and 1, for the spread of refreshes and retries; `Math.random` by default. */
  random?: (() => number) | undefined
  fetch?: typeof fetch | undefined
}

/** Options with every default in its place. */
export interface ResolvedOptions {
  readonly serverUrl: URL
  readonly clientId: string
  readonly authenticate: Authenticate | undefined
  readonly audiences: Audiences
  readonly transport: 'auto' | 'pull' | 'exchange'
  readonly narrow: 'required' | 'best-effort'
  readonly cache: Readonly<CacheOptions>
  readonly http: Readonly<HttpOptions>
  readonly onEvent: (event: AuthsecEvent) => void
  readonly clock: Clock
  readonly random: () => number
  readonly fetch: typeof fetch
}

// What timers take: with a longer delay they fire at once.
const MOST = 2 ** 31 - 1
const TRANSPORTS = ['auto', 'pull', 'exchange'] as const
const NARROWINGS = ['required', 'best-effort'] as const
const OPTIONS: MembersOf<AuthsecClientOptions> = {
  serverUrl: 1,
  clientId: 1,
  credentials: 1,
  audiences: 1,
  transport: 1,
  narrow: 1,
  cache: 1,
  http: 1,
  onEvent: 1,
  clock: 1,
  random: 1,
  fetch: 1,
}
const CACHE_DEFAULTS: CacheOptions = { capacity: 1_000, perSubject: 64, maxTtlSeconds: 900, strictTtl: false }
// Whoever waits for a token holds up a call of an API: less time can be asked for, and no more.
const HTTP_MOST: Partial<HttpOptions> = { totalTimeoutMs: 5_000 }
const HTTP_DEFAULTS: HttpOptions = { attemptTimeoutMs: 2_500, totalTimeoutMs: 5_000, maxAttempts: 3 }

/** Checks the options when the client is made; throws `configuration` naming the value that is wrong. */
export function resolveOptions(options: AuthsecClientOptions): ResolvedOptions {
  assertMembers('the options of a client', options, OPTIONS)
  const {
    serverUrl,
    clientId,
    credentials = readCredentialsFile(readSurroundings()),
    audiences = {},
    transport = 'auto',
    narrow = 'best-effort',
    cache = {},
    http = {},
    onEvent = () => undefined,
    clock = systemClock,
    random = Math.random,
    // Looked up on each call, so that what a test or a tracer puts in its place is used.
    fetch = (input, init) => globalThis.fetch(input, init),
  } = options
  assertGiven('serverUrl', serverUrl, 'It is where the server runs; programs read it from AUTHSEC_SERVER.')
  assertGiven('clientId', clientId, 'It is the UUID of the agent; programs read it from AUTHSEC_CLIENT_ID.')
  if (typeof clientId !== 'string' || !isUuid(clientId)) {
    throw misconfigured(
      `the client id ${quote(clientId)} is not a UUID`,
      'authsec client list shows the ids.',
    )
  }
  const id = clientId.toLowerCase()
  return {
    serverUrl: parseServerUrl(serverUrl),
    clientId: id,
    authenticate: createAuthenticate(credentials, { clientId: id, clock }),
    audiences: createAudiences(audiences),
    transport: readChoice('transport', transport, TRANSPORTS),
    narrow: readChoice('narrow', narrow, NARROWINGS),
    cache: readSettings('cache', cache, CACHE_DEFAULTS),
    http: readSettings('http', http, HTTP_DEFAULTS, HTTP_MOST),
    onEvent: readFunction('onEvent', onEvent),
    clock,
    random: readFunction('random', random),
    fetch: readFunction('fetch', fetch),
  }
}

function assertGiven(name: string, value: unknown, hint: string): void {
  if (value === undefined || value === null || value === '') throw misconfigured(`${name} is missing`, hint)
}

function readFunction<T>(name: string, value: T): T {
  if (typeof value === 'function') return value
  throw misconfigured(`${name} is not a function`)
}

// The numbers are counts or times. The others are switches.
function readSettings<T extends object>(
  name: string,
  given: Partial<T>,
  defaults: T,
  limits: Partial<T> = {},
): T {
  assertMembers<Partial<T>>(`the ${name} options of a client`, given, defaults)
  const resolved = { ...defaults }
  for (const [member, value] of Object.entries(given)) {
    if (value === undefined) continue
    const most = (limits[member as keyof T] ?? MOST) as number
    if (typeof defaults[member as keyof T] === 'boolean') {
      if (typeof value !== 'boolean')
        throw misconfigured(`${name}.${member} ${quote(value)} is not true or false`)
    } else if (!Number.isInteger(value) || (value as number) < 1 || (value as number) > most) {
      throw misconfigured(`${name}.${member} ${quote(value)} is not a whole number from 1 to ${most}`)
    }
    resolved[member as keyof T] = value as T[keyof T]
  }
  return resolved
}

function misconfigured(message: string, hint?: string): AuthsecError {
  return new AuthsecError('configuration', message, { hint })
}
