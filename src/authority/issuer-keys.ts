import { AuthsecError } from '../core/errors.js'
import { isLoopback, parseServerUrl } from '../core/server-url.js'
import { type Json, type JsonObject, parseStrictJsonObject } from '../core/strict-json.js'
import { type ClientKey, findVerifyingKey } from './client-keys.js'

/** The public keys of other issuers, as their own metadata name them. */
export interface IssuerKeys {
  /**
   * The keys of an issuer that may have signed under a key id. They are kept for ten minutes; an unknown id asks again,
   * at most twice a minute. Throws `temporarily_unavailable` when the issuer cannot be asked, which is tried every five
   * seconds.
   */
  find(issuer: string, kid: string | undefined): Promise<readonly ClientKey[]>
}

interface KnownKeys {
  keys: readonly ClientKey[]
  fetchedAt: number
}

const KEEP_MS = 600_000
const ASK_AGAIN_MS = 30_000
const RETRY_MS = 5_000
const TIMEOUT_MS = 5_000
const MAX_BYTES = 256 * 1024
const MAX_KEYS = 50

export function createIssuerKeys({
  fetch,
  clock,
}: {
  fetch: typeof globalThis.fetch
  clock: () => number
}): IssuerKeys {
  const known = new Map<string, KnownKeys>()
  const asking = new Map<string, Promise<KnownKeys>>()
  const failures = new Map<string, { message: string; failedAt: number }>()

  function ask(issuer: string): Promise<KnownKeys> {
    const running = asking.get(issuer)
    if (running) return running
    const question = fetchKeys(issuer, fetch)
      .then((keys) => {
        const found = { keys, fetchedAt: clock() }
        known.set(issuer, found)
        failures.delete(issuer)
        return found
      })
      .catch((error: AuthsecError) => {
        failures.set(issuer, { message: error.message, failedAt: clock() })
        throw error
      })
      .finally(() => asking.delete(issuer))
    asking.set(issuer, question)
    return question
  }

  // Whoever comes with an assertion has it fetched: not as often as they like from an issuer that is in trouble.
  function assertRested(issuer: string): void {
    const { message, failedAt } = failures.get(issuer) ?? { message: '', failedAt: Number.NEGATIVE_INFINITY }
    const retryAfterMs = failedAt + RETRY_MS - clock()
    if (retryAfterMs > 0) throw new AuthsecError('temporarily_unavailable', message, { retryAfterMs })
  }

  return {
    async find(issuer, kid) {
      const held = known.get(issuer)
      const fitting = (keys: readonly ClientKey[]) => keys.filter(({ id }) => kid === undefined || id === kid)
      const age = held === undefined ? Number.POSITIVE_INFINITY : clock() - held.fetchedAt
      if (held !== undefined && age < KEEP_MS) {
        const found = fitting(held.keys)
        if (found.length > 0 || age < ASK_AGAIN_MS) return found
      }
      assertRested(issuer)
      return fitting((await ask(issuer)).keys)
    },
  }
}

/** OpenID Connect Discovery 1.0 §4: the metadata have to name the very issuer, and where its keys are. */
async function fetchKeys(issuer: string, fetch: typeof globalThis.fetch): Promise<readonly ClientKey[]> {
  const home = parseServerUrl(issuer)
  const metadata = await fetchObject(
    new URL(`${home.href.replace(/\/$/, '')}/.well-known/openid-configuration`),
    fetch,
  )
  if (metadata['issuer'] !== issuer) throw unavailable(issuer, 'its metadata name another issuer')
  const keysAt = readAddress(metadata['jwks_uri'])
  // Nobody outside sends this server to what runs beside it.
  if (keysAt === undefined || (isLoopback(keysAt) && !isLoopback(home))) {
    throw unavailable(issuer, 'its metadata do not say where its keys are')
  }
  const { keys } = await fetchObject(keysAt, fetch)
  if (!Array.isArray(keys) || keys.length > MAX_KEYS) throw unavailable(issuer, 'its key set is none')
  return keys.flatMap((jwk) => findVerifyingKey(jwk) ?? [])
}

function readAddress(value: Json | undefined): URL | undefined {
  try {
    return parseServerUrl(String(value))
  } catch {
    return undefined
  }
}

async function fetchObject(url: URL, fetch: typeof globalThis.fetch): Promise<JsonObject> {
  try {
    const response = await fetch(url, {
      headers: { accept: 'application/json' },
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    })
    if (!response.ok) throw new Error(`it answered ${response.status}`)
    return parseStrictJsonObject(await readText(response))
  } catch {
    throw unavailable(url.origin, `${url.pathname} cannot be read there`)
  }
}

async function readText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength
    // Leaving the loop cancels the rest of the body.
    if (size > MAX_BYTES) throw new Error(`it answered more than ${MAX_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString()
}

function unavailable(issuer: string, why: string): AuthsecError {
  return new AuthsecError('temporarily_unavailable', `the keys of ${issuer} cannot be had: ${why}`)
}
