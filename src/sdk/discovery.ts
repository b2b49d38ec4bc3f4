import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { isSameServer } from '../core/server-url.js'
import { isJsonObject, type Json } from '../core/strict-json.js'
import type { Clock } from './clock.js'
import type { HttpAnswer, Limits } from './http.js'
import type { GatedHttp } from './issuer-gate.js'
import { readSuccess } from './refusal.js'
import { SingleFlight } from './single-flight.js'

/** What the client needs of the server's metadata (RFC 8414). */
export interface Metadata {
  readonly issuer: string
  /** Empty where the server does not name it. */
  readonly tenant: string
  readonly tokenEndpoint?: string | undefined
  /** Where a person is asked for approval (CIBA); undefined where the server itself asks nobody. */
  readonly approvalEndpoint?: string | undefined
  /** Whether the token endpoint exchanges a base token for a call token, rather than for something of its own. */
  readonly issuesCallTokens: boolean
  /** To what a call token can be bound there; undefined where the server does not say. */
  readonly bindings?: readonly Json[] | undefined
}

/**
 * Reads the metadata document. A server that has none (404, 410) issues no call tokens, and that is an answer.
 * Throws `issuer_mismatch` for a document of, or a token endpoint on, another server (RFC 8414 §3.3).
 */
export function readMetadata(http: GatedHttp, serverUrl: URL, limits: Limits): Promise<Metadata> {
  return http.send({ url: metadataUrl(serverUrl) }, limits, (answer) => readDocument(answer, serverUrl))
}

function readDocument(answer: HttpAnswer, serverUrl: URL): Metadata {
  if (answer.status === 404 || answer.status === 410) {
    return { issuer: serverUrl.origin, tenant: '', issuesCallTokens: false }
  }
  const body = readSuccess(answer)
  const { issuer, token_endpoint: tokenEndpoint, authsec_tenant: tenant } = body
  assertOwnAddress('issuer', issuer, serverUrl)
  const { backchannel_authentication_endpoint: approvalEndpoint } = body
  if (tokenEndpoint !== undefined) assertOwnAddress('token endpoint', tokenEndpoint, serverUrl)
  const callTokens = body['authsec_call_tokens']
  const bindings = isJsonObject(callTokens) ? callTokens['bindings'] : undefined
  return {
    issuer,
    tenant: typeof tenant === 'string' ? tenant : '',
    tokenEndpoint,
    // Few need it: one that is elsewhere is no reason to issue no tokens.
    approvalEndpoint: isOwnAddress(approvalEndpoint, serverUrl) ? approvalEndpoint : undefined,
    issuesCallTokens: tokenEndpoint !== undefined && isJsonObject(callTokens),
    bindings: Array.isArray(bindings) ? bindings : undefined,
  }
}

const LEAST_KNOWN_MS = 60_000
const MOST_KNOWN_MS = 600_000
// Somebody answers for another server, or nobody is to be asked any more.
const LOUD: ReadonlySet<string> = new Set(['issuer_mismatch', 'closed'])

/** Reads the metadata for everyone who needs them: once, and where they announce no call tokens once in a while. */
export interface Discovery {
  /** What was read; undefined before the first answer. */
  readonly known: Metadata | undefined
  /** Until which moment of the monotonic clock there are taken to be no call tokens; 0 where there are. */
  readonly noneUntil: number
  /**
   * Rejects as `readMetadata` throws where nothing is known yet, and remembers no failure. Later on it rejects with
   * `issuer_mismatch` and `closed`, or an `AbortError`: whatever else is wrong with an answer, what was known has not
   * become untrue.
   */
  read(signal: AbortSignal | undefined, deadline: number): Promise<Metadata>
  close(reason: AuthsecError): void
}

export function createDiscovery(http: GatedHttp, serverUrl: URL, clock: Clock): Discovery {
  const flights = new SingleFlight<Metadata>()
  let known: Metadata | undefined
  let noneUntil = 0
  let heldFor = LEAST_KNOWN_MS

  async function ask(limits: Limits): Promise<Metadata> {
    try {
      const read = await readMetadata(http, serverUrl, limits)
      // A server that has a token endpoint does not lose it with one stray 404.
      if (known?.tokenEndpoint === undefined || read.tokenEndpoint !== undefined) known = read
    } catch (error) {
      if (known === undefined || !AuthsecError.is(error) || LOUD.has(error.code)) throw error
    }
    // Nor must one at the beginning cost an agent its narrow tokens for as long as it runs.
    noneUntil = known.issuesCallTokens ? 0 : clock.monotonic() + heldFor
    heldFor = Math.min(heldFor * 2, MOST_KNOWN_MS)
    return known
  }

  return {
    get known() {
      return known
    },
    get noneUntil() {
      return noneUntil
    },
    async read(signal, deadline) {
      if (known?.issuesCallTokens || (known && clock.monotonic() < noneUntil)) return known
      return flights.join(serverUrl.href, (flight) => ask({ signal: flight, deadline }), { signal })
    },
    close: (reason) => flights.close(reason),
  }
}

// The well-known part stands between host and path, RFC 8414 §3.1.
function metadataUrl(serverUrl: URL): string {
  const path = serverUrl.pathname.replace(/\/$/, '')
  return `${serverUrl.origin}/.well-known/oauth-authorization-server${path}`
}

// The base token goes to the token endpoint: never to a server other than the configured one.
function assertOwnAddress(what: string, address: unknown, serverUrl: URL): asserts address is string {
  if (isOwnAddress(address, serverUrl)) return
  const fault =
    typeof address === 'string'
      ? `the ${what} ${quote(address)} is not on ${serverUrl.origin}`
      : `the metadata of ${serverUrl.origin} name no ${what}`
  throw new AuthsecError('issuer_mismatch', fault, {
    hint: 'Configure the server by the address that it calls its own.',
  })
}

function isOwnAddress(address: unknown, serverUrl: URL): address is string {
  return typeof address === 'string' && URL.canParse(address) && isSameServer(serverUrl, new URL(address))
}
