import { randomUUID } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import { Hono } from 'hono'
import type { Provenance } from '../authority/audit/log.js'
import type { Authority } from '../authority/authority.js'
import type { Mode } from '../authority/client-authentication.js'
import { AuthsecError, type ErrorCode } from '../core/errors.js'
import { createAnswerHeaders } from './answer-headers.js'
import { findCaller } from './caller.js'
import { findAddress } from './caller-address.js'
import { allowReading, answerPreflight } from './cross-origin.js'
import type { Access, AnyEndpoint, CallerOf, Endpoint, JsonAnswer } from './endpoint.js'
import { ENDPOINTS, QUIRK_ENDPOINTS } from './endpoints.js'
import { assertKnown, readSegments } from './fields.js'
import { assertOwnRequest, type Gate } from './gate.js'
import { readIdempotencyKey } from './idempotency.js'
import { isFault, toResponse } from './problem.js'
import type { QuirkName } from './quirks.js'
import type { Excess, RateLimit, RateLimiter } from './rate-limits.js'

export interface AppOptions {
  authority: Authority
  mode: Mode
  gate: Gate
  limiter: RateLimiter
  /** The addresses of proxies that say truly where a request comes from. */
  proxies: readonly string[]
  /** Where the server listens now. */
  serverUrl: string
  /** Aborts when the server stops, so that nothing waits longer than it. */
  stopping: AbortSignal
  /** Aborts before that, when nobody new should be sent here; default: when it stops. */
  leaving?: AbortSignal
  /** What of the real server's dangerous habits is served; nothing unless it is said. */
  quirks?: ReadonlySet<QuirkName>
  /** Told what went wrong by surprise; the caller only learns that something did. */
  onSurprise: (error: unknown, provenance: Provenance) => void
}

/** Where a request comes from, as its transport knows it. */
export interface Transport {
  ip?: string | undefined
}

/** The whole server as a function: a request in, a response out, never an exception. */
export type App = (request: Request, transport?: Transport) => Promise<Response>

export function createApp(options: AppOptions): App {
  // Every reader that waits listens to it: to Node, eleven of them look like a leak.
  setMaxListeners(0, options.stopping)
  const asked = QUIRK_ENDPOINTS.filter(({ quirk }) => quirk !== undefined && options.quirks?.has(quirk))
  const endpoints = [...ENDPOINTS, ...asked].filter(({ modes }) => modes.includes(options.mode))
  const router = new Hono<{ Bindings: Transport }>()
  for (const endpoint of endpoints) {
    for (const path of endpoint.paths) {
      router.on(endpoint.method, path, ({ req, env }) => answer(endpoint, req.raw, req.param(), env, options))
    }
  }
  // A name before the pattern that would take it for an id.
  const paths = [...new Set(endpoints.flatMap(({ paths: served }) => served))].sort(byPatterns)
  for (const path of paths) {
    const endpoint = refuseOtherMethods(path, endpoints)
    router.all(path, ({ req, env }) => answer(endpoint, req.raw, {}, env, options))
  }
  router.all('*', ({ req, env }) => answer(UNKNOWN, req.raw, {}, env, options))
  const exact = new Map(endpoints.flatMap(listExact))
  return async (request, transport = {}) => {
    const endpoint = exact.get(`${request.method} ${pathOf(request.url)}`)
    if (endpoint === undefined) return router.fetch(request, transport)
    return answer(endpoint as Endpoint, request, {}, transport, options)
  }
}

/** Where an endpoint is found at once: the paths that are no patterns, each behind its method. */
function listExact(endpoint: AnyEndpoint): [string, AnyEndpoint][] {
  const exact = endpoint.paths.filter((path) => !/[:*]/.test(path))
  return exact.map((path) => [`${endpoint.method} ${path}`, endpoint])
}

/** The path of a URL, as it is spelled: what is spelled in another way is for the router. */
function pathOf(url: string): string {
  const start = url.indexOf('/', url.indexOf('//') + 2)
  const end = url.indexOf('?', start)
  return end === -1 ? url.slice(start) : url.slice(start, end)
}

/** What an endpoint speaks that keeps nobody else's contract. */
const OWN_CONTRACT = 'authsec'

/** What answers where nothing else does: the same checks, then 404. */
const UNKNOWN: Endpoint<'public'> = {
  method: 'GET',
  paths: [],
  access: 'public',
  modes: ['dev', 'shared'],
  summary: 'Anything else',
  speaks: OWN_CONTRACT,
  event: undefined,
  errors: 'authsec',
  handle(request) {
    const { pathname } = new URL(request.url)
    throw new AuthsecError('not_found', `nothing is served for ${request.method} ${pathname.slice(0, 200)}`)
  },
}

/** What answers a known path where it has no such method: the same checks, then 405 and what it has. */
function refuseOtherMethods(path: string, endpoints: readonly AnyEndpoint[]): Endpoint<'public'> {
  const served = endpoints.filter(({ paths }) => paths.includes(path))
  // A GET answers HEAD too.
  const allow = served.flatMap(({ method }) => (method === 'GET' ? ['GET', 'HEAD'] : method)).join(', ')
  return {
    ...UNKNOWN,
    paths: [path],
    errors: served[0]?.errors ?? UNKNOWN.errors,
    // A preflight comes here: it asks about what is served at this path.
    ...(served.some(({ crossOrigin }) => crossOrigin === true || crossOrigin === 'named') && {
      crossOrigin: 'named',
    }),
    handle({ method }) {
      throw new AuthsecError('method_not_allowed', `${method} is not served here`, { details: { allow } })
    },
  }
}

function byPatterns(one: string, other: string): number {
  return one.split(':').length - other.split(':').length
}

async function answer<A extends Access>(
  endpoint: Endpoint<A>,
  request: Request,
  params: Readonly<Record<string, string>>,
  transport: Transport | undefined,
  options: AppOptions,
): Promise<Response> {
  const { proxies } = options
  const provenance: Provenance = {
    requestId: randomUUID(),
    source: `${request.method} ${endpoint.paths[0] ?? '*'}`,
    ip: findAddress(transport?.ip, request.headers.get('x-forwarded-for'), proxies),
    userAgent: request.headers.get('user-agent') ?? undefined,
  }
  let response: Response
  try {
    if (endpoint.hasIdempotencyKey) provenance.requestId = readIdempotencyKey(request) ?? provenance.requestId
    const answered = await handle(endpoint, request, params, provenance, options)
    response = complete(answered, endpoint, provenance)
  } catch (error) {
    const told = await recordRefusal(error, endpoint, provenance, options)
    response = complete(
      toResponse(told, endpoint, { request, requestId: provenance.requestId }),
      endpoint,
      provenance,
    )
  }
  allowReading(request, response, originsOf(endpoint, options))
  return response
}

async function handle<A extends Access>(
  endpoint: Endpoint<A>,
  request: Request,
  params: Readonly<Record<string, string>>,
  provenance: Provenance,
  options: AppOptions,
): Promise<Response | JsonAnswer> {
  const { authority, mode, limiter, serverUrl, stopping, leaving = stopping } = options
  const origins = originsOf(endpoint, options)
  const gate = { ...options.gate, origins }
  const count = (limit: RateLimit | undefined) => limit && limiter.count(limit, provenance.ip ?? '')
  try {
    assertOwnRequest(request, gate, endpoint)
  } catch (error) {
    // A flood leaves one record, not one for each of its requests.
    if (count('foreign')?.isFirst !== false) throw error
    return toResponse(error, endpoint, { request, requestId: provenance.requestId })
  }
  const preflight = answerPreflight(request, origins)
  if (preflight !== undefined) return preflight

  const excess = count(endpoint.limit ?? (endpoint.access === 'public' ? undefined : 'session'))
  if (excess !== undefined) {
    const error = describeExcess(excess)
    if (excess.isFirst) throw error
    return toResponse(error, endpoint, { request, requestId: provenance.requestId })
  }
  const caller = await findCaller(request, endpoint, authority, provenance)
  if (endpoint.access === 'admin' && endpoint.speaks === OWN_CONTRACT) {
    assertKnown('parameter of this query', new URL(request.url).searchParams.keys(), endpoint.query ?? [])
  }
  return endpoint.handle(request, {
    authority,
    mode,
    caller: caller as CallerOf<A>,
    params: readSegments(params),
    provenance,
    reportLate: (error) => recordRefusal(error, endpoint, provenance, options),
    serverUrl,
    leaving,
    stopping,
  })
}

// Pages that are named may use what is for clients and what is public, nothing else.
function originsOf({ crossOrigin }: Pick<Endpoint, 'crossOrigin'>, { gate }: AppOptions): readonly string[] {
  return crossOrigin === true || crossOrigin === 'named' ? gate.origins : []
}

function complete(
  answered: Response | JsonAnswer,
  { crossOrigin }: Pick<Endpoint, 'crossOrigin'>,
  { requestId }: Provenance,
): Response {
  const headers = createAnswerHeaders(requestId, crossOrigin === true)
  if (!(answered instanceof Response)) {
    const init = { headers: { 'content-type': 'application/json', ...headers } }
    return new Response(JSON.stringify(answered.content), init)
  }
  const { 'cache-control': caching, pragma, ...others } = headers
  if (!answered.headers.has('cache-control')) Object.assign(others, { 'cache-control': caching, pragma })
  for (const [name, value] of Object.entries(others)) answered.headers.set(name, value)
  return answered
}

function describeExcess({ retryAfterMs }: Excess): AuthsecError {
  const message = `too many requests: try again in ${retryAfterMs / 1000} s`
  return new AuthsecError('rate_limited', message, { retryAfterMs })
}

/** Answers to a poll after which nothing has changed: the log tells how it ended. */
const UNRECORDED: ReadonlySet<ErrorCode> = new Set(['authorization_pending', 'slow_down'])

// What the authority refuses it has recorded; what fails before it is asked is recorded here.
async function recordRefusal(
  error: unknown,
  { event }: Pick<Endpoint, 'event'>,
  provenance: Provenance,
  { authority, onSurprise }: AppOptions,
): Promise<unknown> {
  if (isFault(error)) onSurprise(error, provenance)
  const isRecorded = !AuthsecError.is(error) || error.auditId !== undefined || UNRECORDED.has(error.code)
  if (event === undefined || isRecorded) return error
  const refuse = () => Promise.reject(error)
  return authority.audit
    .attempt({ type: event, ...provenance.caller }, provenance, refuse)
    .catch((recorded) => recorded)
}
