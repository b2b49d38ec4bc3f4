import { AuthsecError } from '../core/errors.js'
import type { JsonObject } from '../core/strict-json.js'
import { type Clock, systemClock } from '../sdk/clock.js'
import { type ClientCredentials, createAuthenticate } from '../sdk/credentials.js'
import { createHttp, type HttpAnswer } from '../sdk/http.js'
import { readSuccess } from '../sdk/refusal.js'

/** As what an API is registered at the server, for what only the server can tell it. */
export interface ApiClientOptions {
  /** The client that owns the resource. */
  clientId: string
  /** With what it proves that; as for an agent. */
  credentials?: ClientCredentials | undefined
}

/** An API as a client of the server that issues its tokens. Every question has five seconds and is put once. */
export interface IssuerClient {
  /** What a token says and is worth at this moment (RFC 7662); undefined when it is not alive. */
  introspect(token: string): Promise<JsonObject | undefined>
  /** Uses up a one-time token: false when it has been used. Throws `token_inactive` for one that is dead. */
  consume(token: string): Promise<boolean>
  /** Has it on record that a token was accepted. */
  reportUse(token: string): Promise<void>
}

const ATTEMPT_MS = 5_000

/**
 * All methods throw `network`, `timed_out` or `server_error`, and `configuration` when the server will not tell this
 * API.
 */
export function createIssuerClient(parts: {
  serverUrl: URL
  client: ApiClientOptions
  /** The issuer, for whom credentials are made out. */
  findIssuer: () => Promise<string>
  fetch: typeof globalThis.fetch
  clock: () => number
}): IssuerClient {
  const { serverUrl, client, findIssuer, fetch } = parts
  const { clientId } = client
  const clock: Clock = { ...systemClock, wall: parts.clock }
  const prove = createAuthenticate(client.credentials, { clientId, clock })
  const authenticate = prove && (async () => prove(await findIssuer()))
  const http = createHttp({
    fetch,
    clock,
    random: Math.random,
    http: { attemptTimeoutMs: ATTEMPT_MS, totalTimeoutMs: ATTEMPT_MS, maxAttempts: 1 },
  })

  function ask(path: string, token: string): Promise<HttpAnswer> {
    const url = new URL(serverUrl.pathname.replace(/\/$/, '') + path, serverUrl).href
    const form = new URLSearchParams({ client_id: clientId, token })
    const limits = { signal: new AbortController().signal, deadline: clock.monotonic() + ATTEMPT_MS }
    return http.send({ url, form, authenticate }, limits)
  }

  return {
    async introspect(token) {
      const answer = readAnswer(await ask('/oauth/introspect', token))
      return answer['active'] === true ? answer : undefined
    },
    async consume(token) {
      const answer = await ask('/oauth/consume', token)
      if (answer.status === 409) return false
      return readAnswer(answer)['consumed'] === true
    },
    async reportUse(token) {
      readAnswer(await ask('/audit/use', token))
    },
  }
}

function readAnswer(answer: HttpAnswer): JsonObject {
  try {
    return readSuccess(answer)
  } catch (error) {
    if (AuthsecError.is(error, 'invalid_grant')) {
      throw new AuthsecError('token_inactive', 'the token is no longer alive', { cause: error })
    }
    if (!AuthsecError.is(error) || error.retryable) throw error
    // No other token and no other moment would change the answer: the API itself is not set up right.
    throw new AuthsecError('configuration', `the server tells this API nothing: ${error.message}`, {
      hint: 'Check serverUrl, register the API as a client, make it the owner of its resource, and pass its credentials.',
      cause: error,
    })
  }
}
