import { explainNoConnection } from '../core/connection-failure.js'
import { AuthsecError } from '../core/errors.js'
import { toPrintable } from '../core/printable.js'
import { concealSecrets, listSentSecrets } from '../core/secrets.js'
import { isJsonObject, type JsonObject } from '../core/strict-json.js'
import { type Clock, type Instant, readInstant } from './clock.js'
import type { ClientProof } from './credentials.js'

/** How long requests may take and how often they are tried. */
export interface HttpOptions {
  /** The time for one attempt in milliseconds, 2,500 by default. */
  attemptTimeoutMs: number
  /** The time for everything one call needs, in milliseconds: 5,000 by default and at most. */
  totalTimeoutMs: number
  /** How often a request is sent at most when the server cannot be reached or says 429, 502, 503 or 504; 3 by default. */
  maxAttempts: number
}

export interface HttpRequest {
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  /** Makes it a POST of a form. */
  readonly form?: URLSearchParams
  /** Adds to each attempt what proves who the client is: a proof may be good for one of them only. */
  readonly authenticate?: (() => Promise<ClientProof>) | undefined
}

export interface HttpAnswer {
  /** Who answered: the address without its query, for messages. */
  readonly from: string
  readonly status: number
  /** The JSON object of the answer; undefined when it is anything else. */
  readonly body: JsonObject | undefined
  readonly requestId: string | undefined
  /** What of the request must not be repeated, whatever the server says. */
  readonly sent: readonly string[]
  readonly retryAfterMs: number | undefined
  /** Whether an earlier attempt was not answered by the server itself, which may have acted on it all the same. */
  readonly isRepeated: boolean
  /** Read before the request was sent, so that a slow answer never makes a token live longer. */
  readonly askedAt: Instant
}

/** What is known of an attempt before its answer. */
interface Attempt extends Pick<HttpAnswer, 'askedAt' | 'isRepeated'> {
  readonly sent: string[]
}

/** When to stop: the caller's or the flight's signal, and a moment of the monotonic clock. */
export interface Limits {
  readonly signal: AbortSignal
  readonly deadline: number
}

export interface Http {
  /**
   * Sends a request and returns the answer, whatever its status; `onAnswer` is told each one, also those after which it
   * is sent again. Throws `network`, `timed_out`, `server_error`.
   */
  send(request: HttpRequest, limits: Limits, onAnswer?: (answer: HttpAnswer) => void): Promise<HttpAnswer>
}

const MAX_BODY_BYTES = 64 * 1024
const RETRIED_STATUS: ReadonlySet<number> = new Set([429, 502, 503, 504])
const BACKOFF_BASE_MS = 100
const BACKOFF_CAP_MS = 2_000

/** Builds the one way out of the client: redirects refused, bodies capped, attempts timed and repeated. */
export function createHttp(parts: {
  fetch: typeof fetch
  clock: Clock
  random: () => number
  http: HttpOptions
}): Http {
  // By its name rather than as a method: that of a browser or a Worker refuses to be called on anything else.
  const { clock, random, http: options, fetch: send } = parts

  return {
    async send(request, limits, onAnswer) {
      let isRepeated = false
      for (let attempt = 1; ; attempt++) {
        const outcome = await attemptOnce(request, limits, isRepeated)
        const isAnswer = 'status' in outcome
        if (isAnswer) onAnswer?.(outcome)
        const mayPass = isAnswer ? RETRIED_STATUS.has(outcome.status) : isTransient(outcome)
        // Full jitter: clients that failed together do not come back together.
        const backoff = random() * Math.min(BACKOFF_CAP_MS, BACKOFF_BASE_MS * 2 ** (attempt - 1))
        const delay = Math.max(backoff, outcome.retryAfterMs ?? 0)
        const isTooLate = clock.monotonic() + delay >= limits.deadline
        if (!mayPass || attempt >= options.maxAttempts || isTooLate) {
          if (isAnswer) return outcome
          throw outcome
        }
        isRepeated ||= !isAnswer || outcome.status >= 500
        await pause(clock, delay, limits.signal)
      }
    },
  }

  async function attemptOnce(
    request: HttpRequest,
    limits: Limits,
    isRepeated: boolean,
  ): Promise<HttpAnswer | AuthsecError> {
    limits.signal.throwIfAborted()
    const askedAt = readInstant(clock)
    const current: Attempt = { sent: [], askedAt, isRepeated }
    const timeLeft = Math.min(options.attemptTimeoutMs, limits.deadline - askedAt.monotonic)
    const controller = new AbortController()
    const cancelTimer = clock.after(Math.max(0, timeLeft), () => controller.abort())
    const onAbort = () => controller.abort()
    limits.signal.addEventListener('abort', onAbort, { once: true })
    try {
      return await untilAborted(exchange(request, current, controller.signal), controller.signal)
    } catch (error) {
      limits.signal.throwIfAborted()
      return describeFailure(error, request, current.sent, controller.signal.aborted)
    } finally {
      cancelTimer()
      limits.signal.removeEventListener('abort', onAbort)
    }
  }

  // Fills `sent` of the attempt before anything is: also a failure must repeat none of it.
  async function exchange(request: HttpRequest, current: Attempt, signal: AbortSignal): Promise<HttpAnswer> {
    const { url, form } = request
    const { sent } = current
    const proof = await request.authenticate?.()
    const from = url.replace(/\?.*$/, '')
    const headers = {
      accept: 'application/json',
      ...(form !== undefined && { 'content-type': 'application/x-www-form-urlencoded' }),
      ...request.headers,
      ...proof?.headers,
    }
    const members = form && [...form, ...Object.entries(proof?.form ?? {})]
    sent.push(...listSentSecrets(headers, members ?? []))
    const response = await send(url, {
      method: members === undefined ? 'GET' : 'POST',
      headers,
      ...(members !== undefined && { body: new URLSearchParams(members).toString() }),
      redirect: 'manual',
      signal,
    })
    const requestId = response.headers.get('x-request-id')
    // A browser shows a redirect as an opaque answer with status 0.
    if (response.status === 0 || (response.status >= 300 && response.status < 400)) {
      throw new AuthsecError('server_error', `${from} answered with a redirect, which is refused`, {
        hint: 'Give the address that the server itself has.',
        retryable: false,
      })
    }
    return {
      from,
      status: response.status,
      body: parseObject(await readText(response, from)),
      requestId: requestId === null ? undefined : toPrintable(concealSecrets(requestId, sent).slice(0, 128)),
      retryAfterMs: readRetryAfter(response.headers.get('retry-after'), clock),
      ...current,
    }
  }
}

/** Waits, until the signal fires at most: then it rejects with its reason. */
export function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  let cancel: () => void
  const pausing = new Promise<void>((resolve) => {
    cancel = clock.after(delayMs, resolve)
  })
  return untilAborted(pausing, signal).finally(() => cancel())
}

/** Rejects at once when the signal fires, also when the work itself does not listen to it. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) reject(signal.reason)
    const onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

async function readText(response: Response, from: string): Promise<string> {
  if (response.body === null) return ''
  const reader = response.body.getReader()
  const decoder = new TextDecoder()
  let text = ''
  let size = 0
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return text + decoder.decode()
    size += value.byteLength
    if (size > MAX_BODY_BYTES) {
      reader.cancel().catch(() => undefined)
      throw new AuthsecError('server_error', `${from} answered with more than ${MAX_BODY_BYTES / 1024} KiB`, {
        retryable: false,
      })
    }
    text += decoder.decode(value, { stream: true })
  }
}

function parseObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return isJsonObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

// Seconds or a date, RFC 9110 §10.2.3.
function readRetryAfter(value: string | null, clock: Clock): number | undefined {
  if (value === null) return undefined
  const delay = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - clock.wall()
  return Number.isNaN(delay) ? undefined : Math.max(0, delay)
}

function isTransient(error: AuthsecError): boolean {
  return error.code === 'network' || error.code === 'timed_out'
}

function describeFailure(
  error: unknown,
  { url }: HttpRequest,
  sent: readonly string[],
  isTimeout: boolean,
): AuthsecError {
  if (AuthsecError.is(error)) return error
  const { origin } = new URL(url)
  if (isTimeout) return new AuthsecError('timed_out', `${origin} did not answer in time`)
  return new AuthsecError('network', `cannot reach ${origin}: ${explainNoConnection(error)}`, {
    hint: 'Start the server with authsec dev serve, or check the server URL.',
    cause: copyError(error, sent),
  })
}

// A fetch that was given to us may hang its request on what it throws, with all that is secret in it.
function copyError(error: unknown, sent: readonly string[], depth = 0): Error | undefined {
  if (!(error instanceof Error) || depth > 2) return undefined
  const conceal = (words: unknown) => concealSecrets(String(words), sent)
  const cause = copyError(error.cause, sent, depth + 1)
  const copy = new Error(conceal(error.message), cause && { cause })
  const code = 'code' in error && { code: conceal(error.code) }
  return Object.assign(copy, { name: conceal(error.name) }, code)
}
