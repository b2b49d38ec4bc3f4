import { explainNoConnection } from '../core/connection-failure.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { listSentSecrets } from '../core/secrets.js'
import type { Json } from '../core/strict-json.js'
import {
  type Explanation,
  isRedirect,
  isRefusal,
  LOGIN_HINT,
  type Refusal,
  readContentType,
  readOtherKind,
  readRefusal,
} from './refusal.js'

/** The server that is called, and as whom. */
export interface ApiTarget {
  /** Where the server is, without a slash at the end. */
  serverUrl: string
  /** The session of an admin; it goes to this server only, and only where a request says so. */
  session?: string | undefined
  fetch: typeof fetch
}

export interface ApiRequest {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  path: string
  /** Whether the session goes along: it must, it may where there is one, or it never does. */
  session: 'required' | 'optional' | 'never'
  query?: Readonly<Record<string, string | number | readonly string[] | undefined>>
  json?: unknown
  form?: Readonly<Record<string, string | undefined>>
  /** How long the whole answer may take, in milliseconds. */
  timeoutMs?: number
  /** Whether success comes without a body, as in RFC 7009. */
  emptyAnswer?: boolean
  /** Tells a refusal of this endpoint more precisely than its status does. */
  explain?: (refusal: Refusal) => Explanation | undefined
}

export const JSON_TYPE = 'application/json'

const DEFAULT_TIMEOUT_MS = 10_000
const MAX_BODY_BYTES = 32 * 1024 * 1024

/** Throws `login_required` when there is no session for this server. */
export function assertSession(target: ApiTarget): void {
  if (target.session === undefined) {
    throw new AuthsecError('login_required', `no live session for ${origin(target)}`, { hint: LOGIN_HINT })
  }
}

/**
 * Sends one request and returns the JSON of a 2xx answer that is no error: AuthSec sends some of them with 200.
 * Redirects are refused, a body ends at 32 MiB and nothing is retried. Throws `login_required` without a session where
 * one is needed, `network`, `timed_out`, `server_error` for what is not JSON, and otherwise the code that the status or
 * the OAuth error names.
 */
export async function callServer(target: ApiTarget, request: ApiRequest): Promise<Json> {
  const { response, bytes } = await exchange(target, request)
  const body = request.emptyAnswer && response.ok && bytes.length === 0 ? null : parseBody(bytes)
  const sent = listSecrets(target, request)
  if (body === undefined || isRedirect(response))
    throw readOtherKind(response, { from: origin(target), wanted: 'JSON' }, sent)
  if (!response.ok || isRefusal(body)) throw readRefusal(response, body, sent, request.explain)
  return body
}

/**
 * Sends one request and returns the bytes of a 2xx answer of this content type. Throws what `callServer` throws, for a
 * refusal that is not JSON what its status says, and `server_error` for an answer of another type: whatever stands
 * between may answer in the place of the server.
 */
export async function downloadFile(
  target: ApiTarget,
  request: ApiRequest,
  contentType: string,
): Promise<Uint8Array> {
  const { response, bytes } = await exchange(target, request)
  const sent = listSecrets(target, request)
  if (isRedirect(response)) throw readOtherKind(response, { from: origin(target), wanted: contentType }, sent)
  const isWanted = response.ok && readContentType(response)?.replace(/\/.*\+json$/, '/json') === contentType
  if (isWanted && contentType !== JSON_TYPE) return bytes
  const body = parseBody(bytes) ?? {}
  if (!response.ok || isRefusal(body)) throw readRefusal(response, body, sent, request.explain)
  if (isWanted) return bytes
  throw readOtherKind(response, { from: origin(target), wanted: contentType }, sent)
}

/**
 * Sends one request and yields the bytes of a 2xx answer of this content type as they come, for as long as they do.
 * Throws what `downloadFile` throws, and `timed_out` when there is nothing for so many milliseconds.
 */
export async function* openStream(
  target: ApiTarget,
  request: ApiRequest,
  { contentType, silenceMs }: { contentType: string; silenceMs: number },
): AsyncGenerator<Uint8Array> {
  const silence = new AbortController()
  const expire = () => silence.abort(new DOMException('nothing came', 'TimeoutError'))
  let timer = setTimeout(expire, silenceMs)
  try {
    const response = await send(target, request, silence.signal)
    const sent = listSecrets(target, request)
    if (isRedirect(response))
      throw readOtherKind(response, { from: origin(target), wanted: contentType }, sent)
    if (!response.ok) {
      const body = parseBody(await readBytes(response)) ?? {}
      throw readRefusal(response, body, sent, request.explain)
    }
    if (readContentType(response) !== contentType)
      throw readOtherKind(response, { from: origin(target), wanted: contentType }, sent)
    for await (const chunk of response.body ?? []) {
      // Whoever takes long over it is not the server.
      clearTimeout(timer)
      yield chunk
      timer = setTimeout(expire, silenceMs)
    }
  } catch (error) {
    throw describeFailure(error, target)
  } finally {
    clearTimeout(timer)
  }
}

async function exchange(
  target: ApiTarget,
  request: ApiRequest,
): Promise<{ response: Response; bytes: Uint8Array }> {
  try {
    const timeout = AbortSignal.timeout(request.timeoutMs ?? DEFAULT_TIMEOUT_MS)
    const response = await send(target, request, timeout)
    return { response, bytes: await readBytes(response) }
  } catch (error) {
    throw describeFailure(error, target)
  }
}

function send(target: ApiTarget, request: ApiRequest, signal: AbortSignal): Promise<Response> {
  if (request.session === 'required') assertSession(target)
  const headers: Record<string, string> = { accept: JSON_TYPE, ...authorize(target, request) }
  let body: string | undefined
  if (request.json !== undefined) {
    headers['content-type'] = JSON_TYPE
    body = JSON.stringify(request.json)
  } else if (request.form !== undefined) {
    headers['content-type'] = 'application/x-www-form-urlencoded'
    body = new URLSearchParams(present(request.form)).toString()
  }
  return target.fetch(buildUrl(target.serverUrl, request), {
    method: request.method,
    headers,
    redirect: 'manual',
    signal,
    ...(body !== undefined && { body }),
  })
}

function authorize({ session }: ApiTarget, request: ApiRequest): Record<string, string> {
  return request.session === 'never' || session === undefined ? {} : { authorization: `Bearer ${session}` }
}

// What must not be repeated, whatever the server says.
function listSecrets(target: ApiTarget, request: ApiRequest): string[] {
  return listSentSecrets(authorize(target, request), Object.entries(request.form ?? request.json ?? {}))
}

function buildUrl(serverUrl: string, { path, query = {} }: ApiRequest): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    for (const item of Array.isArray(value) ? value : [value]) {
      if (item !== undefined) parameters.append(name, String(item))
    }
  }
  const search = parameters.toString()
  return `${serverUrl}${path}${search === '' ? '' : `?${search}`}`
}

function present(form: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const entries = Object.entries(form).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return Object.fromEntries(entries)
}

async function readBytes(response: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength
    // Leaving the loop cancels the body, so the rest is not even received.
    if (size > MAX_BODY_BYTES) {
      throw new AuthsecError('server_error', `the answer is larger than ${MAX_BODY_BYTES / 1024 / 1024} MiB`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function parseBody(bytes: Uint8Array): Json | undefined {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    return undefined
  }
}

function describeFailure(error: unknown, target: ApiTarget): unknown {
  if (AuthsecError.is(error)) return error
  const name = error instanceof Error ? error.name : ''
  if (name === 'TimeoutError') {
    return new AuthsecError('timed_out', `${origin(target)} did not answer in time`, { cause: error })
  }
  // An abort that is not ours to explain keeps its own reason.
  if (name === 'AbortError') return error
  return new AuthsecError('network', `cannot reach ${origin(target)}: ${explainNoConnection(error)}`, {
    hint: 'Start the server with authsec dev serve, or check the address.',
    cause: error,
  })
}

function origin({ serverUrl }: ApiTarget): string {
  return quote(serverUrl).slice(1, -1)
}
