/**
 * What AuthSec's published clients do on the wire, written from what is known of them and not from their code:
 * headers, cache, retries, and which answer becomes which error. They believe what they are told.
 */

export type DelegationFailure = 'DelegationTokenNotFound' | 'DelegationTokenExpired' | 'DelegationError'

class PublishedError extends Error {
  readonly kind: DelegationFailure | ServiceFailure

  constructor(kind: DelegationFailure | ServiceFailure, message: string) {
    super(message)
    this.kind = kind
  }
}

export interface PublishedDelegationClient {
  pullToken(): Promise<string>
  /** Pulls again inside the buffer before the expiry. */
  ensureToken(): Promise<string>
  /** With the token as bearer; after a 401 once more with one that was pulled again. */
  request(url: string, init?: RequestInit): Promise<Response>
  hasPermission(permission: string): boolean
  readonly token: string | undefined
  readonly expiresInSeconds: number
  readonly spiffeId: string | undefined
  readonly pulls: number
}

export interface DelegationClientOptions {
  clientId: string
  /** With the `/uflow`, as these clients want it. */
  userflowUrl: string
  refreshBufferSeconds?: number
  /** Milliseconds since the epoch. */
  clock: () => number
}

/** `DelegationClient` of the TypeScript and of the Python package, which do the same. */
export function createDelegationClient(options: DelegationClientOptions): PublishedDelegationClient {
  const { clientId, userflowUrl, refreshBufferSeconds = 300, clock } = options
  let held: { token: string; spiffeId: string; permissions: string[]; expiresAt: number } | undefined
  let pulls = 0

  async function pullToken(): Promise<string> {
    pulls++
    const response = await fetch(`${userflowUrl}/sdk/delegation-token?client_id=${clientId}`, {
      headers: { 'X-Client-ID': clientId, Accept: 'application/json' },
    })
    const body = await readJsonBody(response)
    if (response.status === 200) {
      const expiresAt = Date.parse(body.expires_at)
      held = {
        token: body.token,
        spiffeId: body.spiffe_id,
        permissions: body.permissions,
        expiresAt: Number.isNaN(expiresAt) ? clock() + (body.ttl_seconds ?? 0) * 1000 : expiresAt,
      }
      return held.token
    }
    const message = body.error ?? body.message
    if (response.status === 404) throw new PublishedError('DelegationTokenNotFound', message)
    if (response.status === 410) {
      held = undefined
      throw new PublishedError('DelegationTokenExpired', message)
    }
    throw new PublishedError('DelegationError', `HTTP ${response.status}: ${message}`)
  }

  async function ensureToken(): Promise<string> {
    const isFresh = held !== undefined && held.expiresAt - clock() > refreshBufferSeconds * 1000
    return held !== undefined && isFresh ? held.token : pullToken()
  }

  return {
    pullToken,
    ensureToken,
    async request(url, init = {}) {
      const send = (token: string) =>
        fetch(url, { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } })
      const response = await send(await ensureToken())
      return response.status === 401 ? send(await pullToken()) : response
    },
    hasPermission: (permission) => held?.permissions.includes(permission) ?? false,
    get token() {
      return held?.token
    },
    get spiffeId() {
      return held?.spiffeId
    },
    get expiresInSeconds() {
      return held === undefined ? 0 : Math.floor((held.expiresAt - clock()) / 1000)
    },
    get pulls() {
      return pulls
    },
  }
}

export type ServiceFailure =
  | 'ExternalServiceAuthError'
  | 'ExternalServiceNotFoundError'
  | 'ExternalServiceError'

export interface PublishedServiceClient {
  listServices(): Promise<{ id: string; name: string }[]>
  getCredentials(id: string): Promise<Record<string, string>>
  getCredentialsByName(name: string): Promise<Record<string, string>>
  healthCheck(): Promise<boolean>
}

/** `ExternalServiceClient` of the Python package: after a 401 it tries once more, with the token it has. */
export function createServiceClient(
  baseUrl: string,
  delegation: PublishedDelegationClient,
): PublishedServiceClient {
  async function get(path: string) {
    const send = async () =>
      fetch(`${baseUrl}${path}`, {
        headers: { Authorization: `Bearer ${await delegation.ensureToken()}` },
      })
    const first = await send()
    const response = first.status === 401 ? await send() : first
    const body = await readJsonBody(response)
    if (response.ok) return body
    if (response.status === 401 || response.status === 403) {
      throw new PublishedError('ExternalServiceAuthError', body.error)
    }
    const kind = response.status === 404 ? 'ExternalServiceNotFoundError' : 'ExternalServiceError'
    throw new PublishedError(kind, body.error)
  }

  const listServices = async () => (await get('/services')).services
  const getCredentials = async (id: string) => (await get(`/services/${id}/credentials`)).credentials

  return {
    listServices,
    getCredentials,
    async getCredentialsByName(name) {
      const found = (await listServices()).find((service: { name: string }) => service.name === name)
      if (found === undefined) throw new PublishedError('ExternalServiceNotFoundError', name)
      return getCredentials(found.id)
    },
    async healthCheck() {
      return (await get('/health')).status === 'ok'
    },
  }
}

// The Python client's HTTP library raises for anything that does not call itself JSON, whatever the status.
// biome-ignore lint/suspicious/noExplicitAny: these clients believe what they are told.
async function readJsonBody(response: Response): Promise<any> {
  const contentType = response.headers.get('content-type') ?? ''
  if (!contentType.startsWith('application/json')) throw new TypeError(`unexpected mimetype: ${contentType}`)
  return response.json()
}
