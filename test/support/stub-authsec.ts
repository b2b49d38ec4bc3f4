import { encodeBase64url } from '../../src/core/base64url.js'
import { hashCall } from '../../src/core/call-binding.js'
import { sha256 } from '../../src/core/sha256.js'
import type { Clock } from '../../src/sdk/clock.js'

export const STUB_URL = 'http://127.0.0.1:7468'
export const STUB_CLIENT_ID = '7b0c9a52-3a53-4f6e-9d0c-2f7f6b1f2a11'
const TENANT = '0f2d3c4b-5a69-4788-96a5-b4c3d2e1f001'
const SPIFFE_ID = `spiffe://${TENANT}/agent/${STUB_CLIENT_ID}`

/** One request as it reached the stub. */
export interface StubRequest {
  endpoint: 'metadata' | 'pull' | 'exchange' | 'approval' | 'poll'
  url: string
  headers: Headers
  form: URLSearchParams
  signal: AbortSignal
  redirect: string | undefined
}

type Reply = Response | Promise<Response>
type Body = Record<string, unknown>

/**
 * An AuthSec server as a `fetch`, with unsigned tokens: it holds what the SDK must cope with, and every answer
 * can be bent. The claims and bodies are those of the wire contract.
 */
export interface StubAuthsec {
  fetch: typeof fetch
  requests: StubRequest[]
  /** Every token that was given out. */
  issued: string[]
  count(endpoint: StubRequest['endpoint']): number
  /** Answers the next requests of an endpoint in turn; what throws becomes a failed connection. */
  script(endpoint: StubRequest['endpoint'], ...replies: ((request: StubRequest) => Reply)[]): void
  /** What the stub says to a request by itself. */
  answer(request: StubRequest): Response
  /** Bends every success of an endpoint: `claims` before the token is made, `body` before it is sent. */
  bend: {
    metadata?: (body: Body) => void
    base?: (claims: Body, body: Body) => void
    call?: (claims: Body, body: Body) => void
  }
  /** Gives the agent a new base token; the old one is dead from then on. */
  regrant(): void
  /** What the person says to all that is asked from now on; nothing by default. */
  person: { answers?: 'yes' | 'no'; userId: string }
  /** Makes every answer wait until `release`. */
  hold(): { release(): void }
  /** The jti of the live base token. */
  readonly baseJti: string
}

export function createStubAuthsec(clock: Clock, options: { callTokens?: boolean } = {}): StubAuthsec {
  const { callTokens = true } = options
  const requests: StubRequest[] = []
  const scripts = new Map<string, ((request: StubRequest) => Reply)[]>()
  const bend: StubAuthsec['bend'] = {}
  const person: StubAuthsec['person'] = { userId: 'user-alice' }
  let grants = 1
  const issued: string[] = []
  let exchanges = 0
  let approvals = 0
  let baseIssuedAt = seconds()
  let gate: Promise<void> | undefined

  function seconds(): number {
    return Math.floor(clock.wall() / 1000)
  }

  function baseJti(): string {
    return `base-${grants}`
  }

  function answer(request: StubRequest): Response {
    switch (request.endpoint) {
      case 'metadata':
        return metadata()
      case 'pull':
        return pull()
      case 'exchange':
        return exchange(request.form)
      case 'approval':
        return jsonResponse(200, { auth_req_id: `approval-${++approvals}`, expires_in: 300, interval: 5 })
      case 'poll':
        return poll(request.form)
    }
  }

  function poll(form: URLSearchParams): Response {
    if (person.answers === undefined) return oauthError(400, 'authorization_pending', 'not yet')
    if (person.answers === 'no') return oauthError(400, 'access_denied', 'the person has said no')
    const claims = { sub: person.userId, approval: form.get('auth_req_id'), exp: seconds() + 3600 }
    return jsonResponse(200, {
      access_token: issue({ alg: 'RS256', typ: 'JWT' }, claims),
      token_type: 'Bearer',
    })
  }

  function metadata(): Response {
    const body: Body = {
      issuer: STUB_URL,
      token_endpoint: `${STUB_URL}/oauth/token`,
      backchannel_authentication_endpoint: `${STUB_URL}/oauth/bc-authorize`,
      jwks_uri: `${STUB_URL}/oauth/jwks`,
      authsec_tenant: TENANT,
      ...(callTokens && {
        authorization_details_types_supported: ['authsec_call'],
        authsec_call_tokens: {
          max_ttl_seconds: 300,
          bindings: ['tool', 'call'],
          one_time: true,
          consume_endpoint: `${STUB_URL}/oauth/consume`,
        },
      }),
    }
    bend.metadata?.(body)
    return jsonResponse(200, body)
  }

  function pull(): Response {
    const claims: Body = {
      iss: `spiffe://${TENANT}`,
      sub: SPIFFE_ID,
      aud: ['https://billing.example', 'https://profile.example'],
      iat: baseIssuedAt,
      nbf: baseIssuedAt,
      exp: baseIssuedAt + 3600,
      jti: baseJti(),
      user_id: 'user-alice',
      tenant_id: TENANT,
      agent_type: 'langchain',
      permissions: ['billing:read', 'orders:read', 'profile:read'],
      client_id: STUB_CLIENT_ID,
    }
    const body: Body = { status: 'active', client_id: STUB_CLIENT_ID, ttl_seconds: 3600 }
    bend.base?.(claims, body)
    return jsonResponse(200, { token: issue({ alg: 'RS256', typ: 'JWT' }, claims), ...body })
  }

  function exchange(form: URLSearchParams): Response {
    const subject = readClaims(form.get('subject_token') ?? '')
    const isUser = form.get('subject_token_type') !== 'urn:ietf:params:oauth:token-type:jwt'
    if (isUser ? subject['forged'] === true : subject['jti'] !== baseJti())
      return oauthError(400, 'invalid_grant', 'the subject token is not the live one')
    const scope = form.get('scope') ?? 'billing:read profile:read'
    const ttl = Math.min(
      Number(form.get('ttl_seconds') ?? 60),
      Number(subject['exp'] ?? Number.POSITIVE_INFINITY) - seconds(),
    )
    exchanges++
    const claims: Body = {
      iss: STUB_URL,
      sub: isUser ? subject['sub'] : 'user-alice',
      aud: form.get('resource'),
      iat: seconds(),
      nbf: seconds(),
      exp: seconds() + ttl,
      jti: `call-${exchanges}`,
      client_id: STUB_CLIENT_ID,
      scope,
      permissions: scope.split(' '),
      act: { sub: SPIFFE_ID, client_id: STUB_CLIENT_ID },
      ...readTerms(form),
    }
    const body: Body = {
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      token_type: 'Bearer',
      expires_in: ttl,
      scope,
      authsec_audit: `audit-${exchanges}`,
    }
    bend.call?.(claims, body)
    const typ = claims['bind'] || claims['one_time'] ? 'authsec-call+jwt' : 'at+jwt'
    return jsonResponse(200, { access_token: issue({ alg: 'ES256', typ }, claims), ...body })
  }

  function issue(header: Body, claims: Body): string {
    const jwt = makeJwt(header, claims)
    issued.push(jwt)
    return jwt
  }

  return {
    requests,
    issued,
    bend,
    person,
    answer,
    async fetch(input, init) {
      const url = String(input)
      const form = new URLSearchParams(String(init?.body ?? ''))
      const request: StubRequest = {
        endpoint: endpointOf(url, form),
        url,
        headers: new Headers(init?.headers),
        form,
        signal: init?.signal ?? new AbortController().signal,
        redirect: init?.redirect,
      }
      requests.push(request)
      await gate
      const scripted = scripts.get(request.endpoint)?.shift()
      return scripted === undefined ? answer(request) : scripted(request)
    },
    count: (endpoint) => requests.filter((request) => request.endpoint === endpoint).length,
    script(endpoint, ...replies) {
      scripts.set(endpoint, [...(scripts.get(endpoint) ?? []), ...replies])
    },
    regrant() {
      grants++
      baseIssuedAt = seconds()
    },
    hold() {
      let open = () => {}
      gate = new Promise((resolve) => {
        open = resolve
      })
      return {
        release() {
          gate = undefined
          open()
        },
      }
    },
    get baseJti() {
      return baseJti()
    },
  }
}

/** A JSON answer with a request id, as the server gives. */
export function jsonResponse(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json', 'x-request-id': 'request-1', ...headers },
  })
}

/** An OAuth refusal. */
export function oauthError(status: number, error: string, description: string): Response {
  return jsonResponse(status, { error, error_description: description, authsec_audit: 'audit-refusal' })
}

/** What a refused connection looks like to a caller of fetch. */
export function refuseConnection(): never {
  throw new TypeError('fetch failed', {
    cause: Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }),
  })
}

function endpointOf(url: string, form: URLSearchParams): StubRequest['endpoint'] {
  const { pathname } = new URL(url)
  if (pathname === '/.well-known/oauth-authorization-server') return 'metadata'
  if (pathname === '/authsec/uflow/sdk/delegation-token') return 'pull'
  if (pathname === '/oauth/bc-authorize') return 'approval'
  if (pathname === '/oauth/token') return form.get('grant_type')?.endsWith(':ciba') ? 'poll' : 'exchange'
  throw new Error(`the stub has no ${pathname}`)
}

function readTerms(form: URLSearchParams): Body {
  const [tool, bind, call] = ['tool', 'bind', 'call'].map((name) => form.get(name))
  const bound = { aud: form.get('resource') ?? '', tool: tool ?? '', args: JSON.parse(call ?? '{}') }
  return {
    ...(tool && { tool }),
    ...(bind && { bind: bind.split(' ') }),
    ...(call && { call: hashCall(bound, new Uint8Array(16), sha256) }),
    ...(form.get('one_time') === 'true' && { one_time: true }),
  }
}

function makeJwt(header: Body, claims: Body): string {
  const encode = (value: unknown) => encodeBase64url(new TextEncoder().encode(JSON.stringify(value)))
  return `${encode(header)}.${encode(claims)}.${encode('signature')}`
}

function readClaims(jwt: string): Body {
  return JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString() || '{}')
}
