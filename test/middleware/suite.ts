import { once } from 'node:events'
import { createServer, request as httpRequest, type RequestListener, type Server } from 'node:http'
import { connect, createServer as createHttp2Server, type Http2Server } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import type { RouteExpectation, RouteVerifier } from '../../src/middleware/guard.js'
import {
  createMemoryReplayStore,
  createVerifier,
  type ReplayStore,
  type VerifiedDelegation,
} from '../../src/verify/index.js'
import { doAfterEach } from '../support/after-each.js'
import { verifyCalls } from '../support/refused-tokens.js'
import { BILLING, ISSUED_AT, signBound, signCall } from '../support/token-issuer.js'

/** One route of the API that every framework builds. */
export interface Route {
  method: 'GET' | 'POST'
  path: string
  expect: RouteExpectation
}

export interface Framework {
  name: string
  /** An API of these routes, each of which answers with `describe` of what its handler is given. */
  createApi(verifier: RouteVerifier, routes: readonly Route[]): RequestListener | Promise<RequestListener>
  /** Whether its routes know the fields of the path. */
  hasPathFields: boolean
}

type Http2Listener = NonNullable<Parameters<typeof createHttp2Server>[1]>

/** What a handler shows of its delegation, and the body as it still finds it. */
export function show({ user, actor, permissions, tool, call }: VerifiedDelegation, body: unknown): object {
  return { user: user.id, agent: actor.clientId, permissions: [...permissions], tool, call, body }
}

const REFUND: RouteExpectation = {
  tool: 'refund',
  call: { bound: ['invoice', 'amount'], unbound: ['trace'] },
}
const ROUTES: readonly Route[] = [
  { method: 'GET', path: '/me', expect: {} },
  { method: 'GET', path: '/bills', expect: { permissions: ['billing:read'] } },
  { method: 'POST', path: '/reports', expect: { permissions: ['billing:read', 'billing:refund'] } },
  { method: 'POST', path: '/refunds', expect: REFUND },
  { method: 'GET', path: '/refunds', expect: REFUND },
  { method: 'POST', path: '/invoices/:invoice/refund', expect: REFUND },
]
// Only a verifier that counts uses can have it.
const ONCE: readonly Route[] = [{ method: 'POST', path: '/once', expect: { oneTime: true } }]
const ARGS = { invoice: 'in_1', amount: '10.00' }
/** Where every challenge says that a client learns how to get a token. */
export const METADATA: string = `resource_metadata="${BILLING}/.well-known/oauth-protected-resource"`

const closers: (() => void)[] = []
doAfterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** Listens on a free port of this machine until the test has ended. */
export async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  closers.push(() => server.closeAllConnections())
  return open(server)
}

/** The same over HTTP/2, without TLS. */
export async function listenHttp2(listener: Http2Listener): Promise<string> {
  return open(createHttp2Server(listener))
}

async function open(server: Server | Http2Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  closers.push(() => void server.close())
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** The status of an answer over HTTP/2; as clients do there, a body is sent without its length. */
export async function askHttp2(
  url: string,
  token: string,
  { path = '/', body }: { path?: string; body?: object } = {},
): Promise<unknown> {
  const session = connect(url)
  const headers = {
    ':path': path,
    authorization: `Bearer ${token}`,
    ...(body !== undefined && { ':method': 'POST', 'content-type': 'application/json' }),
  }
  const request = session.request(headers, { endStream: body === undefined })
  if (body !== undefined) request.end(JSON.stringify(body))
  const [answer] = await once(request, 'response')
  session.destroy()
  return answer[':status']
}

export const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

/** What has to hold of `requireDelegation` in every framework, on a socket. */
export function describeMiddleware({ name, createApi, hasPathFields }: Framework): void {
  async function serve(verifier: RouteVerifier = verifyCalls(), routes = ROUTES): Promise<string> {
    return listen(await createApi(verifier, routes))
  }

  describe(`a route of ${name} behind requireDelegation`, () => {
    test.each(['/me', '/bills'])('serves %s to a genuine token', async (path) => {
      const response = await fetch((await serve()) + path, bearer(signCall()))
      expect(response.status).toBe(200)
      expect(await response.json()).toMatchObject({
        user: 'alice',
        agent: 'c1',
        permissions: ['billing:read', 'profile:read'],
        tool: 'get_customer_billing',
      })
    })

    test.each([
      { why: 'no token', init: {}, status: 401, challenge: '', code: 'token_missing' },
      {
        why: 'a garbled token',
        init: bearer('garbage'),
        status: 401,
        challenge: 'error="invalid_token", error_description="the token is malformed", ',
        code: 'token_malformed',
      },
      {
        why: 'a token for another API',
        init: bearer(signCall({ aud: 'https://profile.example' })),
        status: 401,
        challenge: 'error="invalid_token", error_description="the token is for another audience", ',
        code: 'audience_mismatch',
      },
      {
        why: 'an expired token',
        init: bearer(signCall({ exp: ISSUED_AT / 1000 - 6, iat: ISSUED_AT / 1000 - 66 })),
        status: 401,
        challenge: 'error="invalid_token", error_description="the token has expired", ',
        code: 'token_expired',
      },
      {
        why: 'something else than a token',
        init: { headers: { authorization: 'Bearer a b' } },
        status: 400,
        challenge: 'error="invalid_request", error_description="exactly one bearer token is required", ',
        code: 'invalid_request',
      },
    ])('answers $status to $why', async ({ init, status, challenge, code }) => {
      const response = await fetch(`${await serve()}/me`, init)
      expect(response.status).toBe(status)
      expect(response.headers.get('www-authenticate')).toBe(`Bearer ${challenge}${METADATA}`)
      expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json(?:; charset=utf-8)?$/)
      expect(response.headers.get('cache-control')).toBe('no-store')
      expect(await response.json()).toEqual({ title: expect.any(String), status, code })
    })

    test('answers the same to an unknown key as to a bad signature, and never with the token', async () => {
      const url = await serve()
      const token = signCall()
      const forged = [
        signCall({}, { kid: 'other' }),
        `${token.slice(0, token.lastIndexOf('.'))}.${'A'.repeat(86)}`,
      ]
      const answers = await Promise.all(
        forged.map(async (candidate) => {
          const response = await fetch(`${url}/me`, bearer(candidate))
          return `${[...response.headers].filter(([header]) => header !== 'date')} ${await response.text()}`
        }),
      )
      expect(answers[0]).toContain('signature_invalid')
      expect(answers[0]).toBe(answers[1])
      expect(answers[0]).not.toContain(token.slice(-20))
      expect(answers[0]).not.toContain(token.slice(0, 30))
    })

    test('answers 403 naming the permissions it needs and the audit event of the token', async () => {
      const response = await fetch(`${await serve()}/reports`, { method: 'POST', ...bearer(signCall()) })
      expect(response.status).toBe(403)
      expect(response.headers.get('www-authenticate')).toBe(
        `Bearer error="insufficient_scope", error_description="the token lacks a permission", scope="billing:read billing:refund", ${METADATA}`,
      )
      expect(await response.json()).toEqual({
        title: 'the token lacks a permission',
        status: 403,
        code: 'permission_missing',
        auditId: 'audit-1',
      })
    })

    test('answers 400 to two Authorization headers, of which many servers would show only the first', async () => {
      const url = await serve()
      const status = await new Promise<number | undefined>((resolve, reject) => {
        const sent = httpRequest(`${url}/me`, {
          headers: { authorization: [`Bearer ${signCall()}`, 'Bearer other'] as never },
        })
        sent
          .on('response', (response) => resolve(response.resume().statusCode))
          .on('error', reject)
          .end()
      })
      expect(status).toBe(400)
    })

    test('answers 503 without a challenge while the keys cannot be had', async () => {
      const gone = await listen(() => {})
      closers.pop()?.()
      const response = await fetch(
        `${await serve(createVerifier({ serverUrl: gone, audience: BILLING }))}/me`,
        bearer(signCall()),
      )
      expect(response.status).toBe(503)
      expect(response.headers.get('www-authenticate')).toBeNull()
      expect(await response.json()).toEqual({
        title: 'tokens cannot be verified at the moment',
        status: 503,
        code: 'network',
      })
    })

    test.each([
      { why: 'of a call without tool', expect: { call: { bound: ['a'] } } },
      {
        why: 'of a field that is bound and unbound',
        expect: { tool: 'x', call: { bound: ['a'], unbound: ['a'] } },
      },
      { why: 'of fields that are none', expect: { tool: 'x', call: { bound: [1] } } },
      { why: 'of fields that nobody names', expect: { tool: 'x', call: {} } },
      { why: 'of a mount that is no path', expect: { tool: 'x', call: { bound: [], mount: 'x' } } },
    ])('is not made with an expectation that is no check: $why', async ({ expect: misspelt }) => {
      const routes = [{ method: 'GET', path: '/x', expect: misspelt as RouteExpectation }] as const
      await expect((async () => createApi(verifyCalls(), routes))()).rejects.toThrow(TypeError)
    })

    test.each([
      { why: 'misspelt', expect: { permission: 'x' }, hint: 'Did you mean permissions?' },
      {
        why: 'of fields by another word',
        expect: { tool: 'x', call: { bound: [], free: ['a'] } },
        hint: 'There are bound, unbound, mount.',
      },
      {
        why: 'of misspelt fields',
        expect: { tool: 'x', call: { bounds: ['a'] } },
        hint: 'Did you mean bound?',
      },
    ])('is not made with an expectation that is $why', async ({ expect: misspelt, hint }) => {
      const routes = [{ method: 'GET', path: '/x', expect: misspelt as unknown as RouteExpectation }] as const
      await expect((async () => createApi(verifyCalls(), routes))()).rejects.toMatchObject({
        code: 'configuration',
        hint,
      })
    })

    test('is not made for one-time tokens without a store that counts', async () => {
      const routes = [{ method: 'GET', path: '/x', expect: { oneTime: true } }] as const
      await expect((async () => createApi(verifyCalls(), routes))()).rejects.toMatchObject({
        code: 'configuration',
      })
    })
  })

  describe(`a route of ${name} for a bound call`, () => {
    const post = (body: unknown, token = signBound(ARGS)) => ({
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })

    test.each([
      { where: 'in the body', path: '/refunds', body: ARGS },
      { where: 'in query and body', path: '/refunds?invoice=in_1', body: { amount: '10.00' } },
      { where: 'with what may differ', path: '/refunds?trace=1', body: ARGS },
      ...(hasPathFields
        ? [{ where: 'in path and body', path: '/invoices/in_1/refund', body: { amount: '10.00' } }]
        : []),
    ])('gets the call that the token is for, and the body besides: $where', async ({ path, body }) => {
      const response = await fetch((await serve()) + path, post(body))
      expect(response.status).toBe(200)
      expect(await response.json()).toMatchObject({ tool: 'refund', call: ARGS, body })
    })

    test('gets a call that stands in the query alone', async () => {
      const url = `${await serve()}/refunds?${new URLSearchParams(ARGS)}`
      const response = await fetch(url, bearer(signBound(ARGS)))
      expect(await response.json()).toMatchObject({ call: ARGS })
    })

    test.each<{ why: string; path: string; body: unknown; code: string }>([
      {
        why: 'a digit that was changed',
        path: '/refunds',
        body: { ...ARGS, amount: '10.01' },
        code: 'call_mismatch',
      },
      {
        why: 'a number for its text',
        path: '/refunds',
        body: { ...ARGS, amount: 10 },
        code: 'call_mismatch',
      },
      { why: 'a field that is missing', path: '/refunds', body: { invoice: 'in_1' }, code: 'call_mismatch' },
      {
        why: 'a field that nobody named',
        path: '/refunds',
        body: { ...ARGS, to: 'x' },
        code: 'field_unbound',
      },
      { why: 'a parameter that nobody named', path: '/refunds?to=x', body: ARGS, code: 'field_unbound' },
      { why: 'a field of every object', path: '/refunds', body: { toString: 'x' }, code: 'field_unbound' },
      { why: 'a field in two places', path: '/refunds?amount=10.00', body: ARGS, code: 'call_mismatch' },
      {
        why: 'a parameter that stands twice',
        path: '/refunds?trace=1&trace=2',
        body: ARGS,
        code: 'call_mismatch',
      },
      { why: 'a body that is a list', path: '/refunds', body: [ARGS], code: 'call_mismatch' },
      ...(hasPathFields
        ? [
            {
              why: 'another path',
              path: '/invoices/in_2/refund',
              body: { amount: '10.00' },
              code: 'call_mismatch',
            },
          ]
        : []),
    ])('answers 403 to $why', async ({ path, body, code }) => {
      const response = await fetch((await serve()) + path, post(body))
      expect(response.status).toBe(403)
      expect(response.headers.get('www-authenticate')).toBe(`Bearer ${METADATA}`)
      expect(await response.json()).toMatchObject({ status: 403, code })
    })

    test.each([
      { why: 'a token that is not bound', token: signCall({ tool: 'refund' }), code: 'binding_missing' },
      {
        why: 'a token that is bound to another tool',
        token: signBound(ARGS, { tool: 'read' }),
        code: 'tool_mismatch',
      },
    ])('answers 403 to $why', async ({ token, code }) => {
      const response = await fetch(`${await serve()}/refunds`, post(ARGS, token))
      expect(response.status).toBe(403)
      expect(await response.json()).toMatchObject({ code, auditId: 'audit-1' })
    })

    test('answers 403 to a bound token where the route does not look at the call', async () => {
      const response = await fetch(`${await serve()}/me`, bearer(signBound(ARGS)))
      expect(response.status).toBe(403)
      expect(await response.json()).toMatchObject({ code: 'unhandled_binding' })
    })
  })

  describe(`a route of ${name} for one-time tokens`, () => {
    const oneTime = () => signCall({ one_time: true }, { typ: 'authsec-call+jwt' })
    const use = async (url: string, token = oneTime()) =>
      fetch(`${url}/once`, { method: 'POST', ...bearer(token) })

    test('serves each once, across every instance that shares the store', async () => {
      const replay = createMemoryReplayStore({ singleProcess: true, clock: () => ISSUED_AT })
      const [one, other] = [
        await serve(verifyCalls({ replay }), ONCE),
        await serve(verifyCalls({ replay }), ONCE),
      ]
      expect((await use(one)).status).toBe(200)
      const replayed = await use(other)
      expect(replayed.status).toBe(403)
      expect(replayed.headers.get('www-authenticate')).toBe(`Bearer ${METADATA}`)
      expect(await replayed.json()).toMatchObject({ code: 'replayed' })
    })

    test('answers 403 to a token for any number of uses', async () => {
      const replay = createMemoryReplayStore({ singleProcess: true, clock: () => ISSUED_AT })
      const response = await use(await serve(verifyCalls({ replay }), ONCE), signCall())
      expect(response.status).toBe(403)
      expect(await response.json()).toMatchObject({ code: 'binding_missing' })
    })

    test('answers 503 while its store fails', async () => {
      const replay: ReplayStore = { add: async () => Promise.reject(new Error('connection lost')) }
      const response = await use(await serve(verifyCalls({ replay }), ONCE))
      expect(response.status).toBe(503)
      expect(await response.json()).toMatchObject({ code: 'temporarily_unavailable' })
    })
  })
}
