import { randomUUID } from 'node:crypto'
import { Hono } from 'hono'
import type { Provenance } from '../authority/audit/log.js'
import type { Authority } from '../authority/authority.js'
import { AuthsecError, type ErrorCode } from '../core/errors.js'
import { findCaller } from './caller.js'
import type { Access, AnyEndpoint, CallerOf, Endpoint } from './endpoint.js'
import { ENDPOINTS, QUIRK_ENDPOINTS } from './endpoints.js'
import { assertOwnRequest } from './gate.js'
import { readIdempotencyKey } from './idempotency.js'
import { toResponse } from './problem.js'
import type { QuirkName } from './quirks.js'

export interface AppOptions {
  authority: Authority
  /** Where the server listens now. */
  serverUrl: string
  /** Aborts when the server stops, so that nothing waits longer than it. */
  stopping: AbortSignal
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
  const router = new Hono<{ Bindings: Transport }>()
  const asked = QUIRK_ENDPOINTS.filter(({ quirk }) => quirk !== undefined && options.quirks?.has(quirk))
  const endpoints = [...ENDPOINTS, ...asked]
  for (const endpoint of endpoints) {
    for (const path of endpoint.paths) {
      router.on(endpoint.method, path, ({ req, env }) => answer(endpoint, req.raw, req.param(), env, options))
    }
  }
  // A name before the pattern that would take it for an id.
  const paths = [...new Set(endpoints.flatMap(({ paths }) => paths))].sort(byPatterns)
  for (const path of paths) {
    const endpoint = refuseOtherMethods(path, endpoints)
    router.all(path, ({ req, env }) => answer(endpoint, req.raw, {}, env, options))
  }
  router.all('*', ({ req, env }) => answer(UNKNOWN, req.raw, {}, env, options))
  return async (request, transport = {}) => router.fetch(request, transport)
}

/** What answers where nothing else does: the same checks, then 404. */
const UNKNOWN: Endpoint<'public'> = {
  method: 'GET',
  paths: [],
  access: 'public',
  modes: ['dev'],
  summary: 'Anything else',
  speaks: 'authsec',
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
  const { authority, serverUrl, stopping } = options
  const provenance: Provenance = {
    requestId: randomUUID(),
    source: `${request.method} ${endpoint.paths[0] ?? '*'}`,
    ip: transport?.ip,
    userAgent: request.headers.get('user-agent') ?? undefined,
  }
  try {
    if (endpoint.hasIdempotencyKey) provenance.requestId = readIdempotencyKey(request) ?? provenance.requestId
    assertOwnRequest(request, [authority.identity.issuer, serverUrl], endpoint.crossOrigin ?? false)
    const response = await endpoint.handle(request, {
      authority,
      caller: (await findCaller(request, endpoint, authority)) as CallerOf<A>,
      params,
      provenance,
      serverUrl,
      stopping,
    })
    response.headers.set('x-request-id', provenance.requestId)
    return response
  } catch (error) {
    return toResponse(
      await recordRefusal(error, endpoint, provenance, options),
      endpoint,
      provenance.requestId,
    )
  }
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
  return authority.audit.attempt({ type: event }, provenance, refuse).catch((recorded) => recorded)
}

// What the caller can do nothing about: a bug, a disk that fails, a state that cannot be read any more.
function isFault(error: unknown): boolean {
  if (AuthsecError.is(error, 'temporarily_unavailable')) return error.cause !== undefined
  return !AuthsecError.is(error) || error.code === 'state_unreadable'
}
