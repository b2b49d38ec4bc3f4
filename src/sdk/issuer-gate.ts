import { AuthsecError, type ErrorCode } from '../core/errors.js'
import type { Clock } from './clock.js'
import type { AuthsecEvent } from './events.js'
import { type Http, type HttpAnswer, type HttpRequest, type Limits, untilAborted } from './http.js'
import { describeRefusal, repeatRefusal } from './refusal.js'

const FAILURES: ReadonlySet<ErrorCode> = new Set([
  'network',
  'timed_out',
  'server_error',
  'token_response_invalid',
])
const FAILURES_UNTIL_OPEN = 5
const LEAST_OPEN_MS = 5_000
const MOST_OPEN_MS = 30_000
const CLIENT_REFUSED_MS = 10_000
const LEAST_PAUSE_MS = 1_000
const MOST_PAUSE_MS = 60_000

/** The way to a server that is watched. */
export interface GatedHttp {
  /**
   * Sends a request and returns what `read` makes of the answer, whatever its status. A 5xx, or a 200 in which `read`
   * finds nothing that makes sense (`server_error`, `token_response_invalid`), is a failure of the server.
   */
  send<T>(request: HttpRequest, limits: Limits, read: (answer: HttpAnswer) => T): Promise<T>
}

/**
 * Stands before a server and sends nothing that is known to be in vain: for a while after five requests in a row have
 * failed (then one probe decides, and each further failure doubles the time up to 30 s), for as long as the server
 * asked for a pause (429, 1 to 60 s), and for 10 s after it refused this client as such. What is still valid in a
 * cache is none of its business.
 */
export function createGatedHttp(
  http: Http,
  { clock, serverUrl, emit }: { clock: Clock; serverUrl: URL; emit: (event: AuthsecEvent) => void },
): GatedHttp {
  const { origin } = serverUrl
  let failures = 0
  let openFor = 0
  let openUntil = 0
  let lastFailure: AuthsecError | undefined
  let probe: Promise<void> | undefined
  let refusal: { error: AuthsecError; until: number } | undefined

  return {
    async send(request, limits, read) {
      while (probe !== undefined) await untilAborted(probe, limits.signal)
      assertOpen()
      // It could only fail, and the server would get the blame.
      if (clock.monotonic() >= limits.deadline) {
        throw new AuthsecError('timed_out', `no time was left to ask ${origin}`)
      }
      const asked = observe(request, limits, read)
      const endProbe = () => {
        probe = undefined
      }
      if (failures >= FAILURES_UNTIL_OPEN) probe = asked.then(endProbe, endProbe)
      return asked
    },
  }

  function assertOpen(): void {
    const now = clock.monotonic()
    if (refusal !== undefined && now < refusal.until) throw repeatRefusal(refusal.error, refusal.until - now)
    if (now < openUntil) {
      throw new AuthsecError('temporarily_unavailable', `${origin} has failed ${failures} times in a row`, {
        hint: lastFailure?.hint,
        retryAfterMs: openUntil - now,
        cause: lastFailure,
      })
    }
  }

  async function observe<T>(
    request: HttpRequest,
    limits: Limits,
    read: (answer: HttpAnswer) => T,
  ): Promise<T> {
    let answer: HttpAnswer | undefined
    try {
      answer = await http.send(request, limits, noteRefusal)
      const content = read(answer)
      noteSense()
      return content
    } catch (error) {
      // What a caller aborted, or could not send, says nothing about the server.
      if (isFailure(error, answer?.status)) noteFailure(error)
      else if (answer !== undefined) noteSense()
      throw error
    }
  }

  // For everybody at once: whoever was told so may wait and try again.
  function noteRefusal(answer: HttpAnswer): void {
    const { status, retryAfterMs = 0, body } = answer
    const isRefused = status === 401 || body?.['error'] === 'invalid_client'
    const pause = Math.min(Math.max(LEAST_PAUSE_MS, retryAfterMs), MOST_PAUSE_MS)
    const heldFor = status === 429 ? pause : isRefused ? CLIENT_REFUSED_MS : 0
    if (heldFor > 0) refusal = { error: describeRefusal(answer), until: clock.monotonic() + heldFor }
  }

  function noteSense(): void {
    if (openUntil > 0) emit({ type: 'breaker.closed' })
    failures = 0
    openUntil = 0
  }

  function noteFailure(error: AuthsecError): void {
    failures++
    lastFailure = error
    const now = clock.monotonic()
    // Requests that had been sent before it opened say nothing new.
    if (failures < FAILURES_UNTIL_OPEN || now < openUntil) return
    openFor = openUntil > 0 ? Math.min(openFor * 2, MOST_OPEN_MS) : LEAST_OPEN_MS
    openUntil = now + openFor
    emit({ type: 'breaker.opened', code: error.code, forMs: openFor })
  }
}

function isFailure(error: unknown, status = 200): error is AuthsecError {
  return AuthsecError.is(error) && (status >= 500 || (status === 200 && FAILURES.has(error.code)))
}
