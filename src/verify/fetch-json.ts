import { explainNoConnection } from '../core/connection-failure.js'
import { AuthsecError } from '../core/errors.js'
import { toPrintable } from '../core/printable.js'
import { type JsonObject, parseStrictJsonObject } from '../core/strict-json.js'

/** A document of a server, and how long it says the document may be kept. */
export interface FetchedJson {
  document: JsonObject
  /** Seconds, from `Cache-Control: max-age`. */
  maxAge: number | undefined
}

/** How long a verifier waits for an answer. */
export const ANSWER_TIMEOUT_MS = 5_000
const MAX_BYTES = 256 * 1024
const MAX_ERROR_LENGTH = 200

/**
 * Fetches a JSON object of at most 256 KiB that is no error within five seconds, without following redirects. Throws
 * `network`, `timed_out` or `server_error`, all retryable, naming the server's origin.
 */
export async function fetchJson(url: URL, fetch: typeof globalThis.fetch): Promise<FetchedJson> {
  try {
    const response = await fetch(url, {
      headers: { accept: 'application/json' },
      redirect: 'manual',
      signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS),
    })
    if (response.status !== 200) {
      await response.body?.cancel()
      if (response.status >= 300 && response.status < 400) {
        throw new AuthsecError(
          'server_error',
          `${url.origin} answered ${url.pathname} with a redirect, which is refused`,
          { hint: 'Give the address that the server itself has.' },
        )
      }
      throw new AuthsecError('server_error', `${url.origin} answered ${response.status} to ${url.pathname}`)
    }
    const document = parseDocument(url, await readText(url, response))
    return { document, maxAge: parseMaxAge(response.headers.get('cache-control')) }
  } catch (error) {
    throw AuthsecError.is(error) ? error : describeFailure(url, error)
  }
}

async function readText(url: URL, response: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength
    // Leaving the loop cancels the rest of the body.
    if (size > MAX_BYTES) {
      throw new AuthsecError(
        'server_error',
        `the answer of ${url.origin} is larger than ${MAX_BYTES / 1024} KiB`,
      )
    }
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

function parseDocument(url: URL, text: string): JsonObject {
  const document = parseObject(url, text)
  const { error } = document
  // AuthSec sends some errors with 200.
  if (typeof error !== 'string' || error === '') return document
  const said = toPrintable(error.slice(0, MAX_ERROR_LENGTH))
  throw new AuthsecError('server_error', `${url.origin} answered an error to ${url.pathname}: ${said}`)
}

function parseObject(url: URL, text: string): JsonObject {
  try {
    return parseStrictJsonObject(text)
  } catch (cause) {
    throw new AuthsecError('server_error', `${url.origin} answered no JSON to ${url.pathname}`, {
      hint: 'Check that the address is that of an AuthSec server.',
      cause,
    })
  }
}

function parseMaxAge(cacheControl: string | null): number | undefined {
  const match = /(?:^|[\s,])max-age="?(\d{1,10})/i.exec(cacheControl ?? '')
  return match ? Number(match[1]) : undefined
}

function describeFailure(url: URL, cause: unknown): AuthsecError {
  if (cause instanceof Error && cause.name === 'TimeoutError') {
    return new AuthsecError(
      'timed_out',
      `${url.origin} did not answer in ${ANSWER_TIMEOUT_MS / 1000} seconds`,
      {
        cause,
      },
    )
  }
  return new AuthsecError('network', `cannot reach ${url.origin}: ${explainNoConnection(cause)}`, {
    hint: 'Check that the server runs and that its address is right.',
    cause,
  })
}
