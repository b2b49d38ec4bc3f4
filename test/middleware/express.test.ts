import { createServer, request as httpRequest, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import express, { type Express, type Request, type Response } from 'express'
import { afterEach, describe, expect, test } from 'vitest'
import { readDelegation, requireDelegation } from '../../src/middleware/express.js'
import { createVerifier, type Expectation } from '../../src/verify/index.js'
import { verifyCalls } from '../support/refused-tokens.js'
import { BILLING, ISSUED_AT, signCall } from '../support/token-issuer.js'

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

async function listen(app: RequestListener): Promise<string> {
  const server = createServer(app).listen(0, '127.0.0.1')
  closers.push(() => {
    server.closeAllConnections()
    server.close()
  })
  await new Promise((resolve) => server.once('listening', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A billing API whose routes show what its handlers see. */
function createApi(verifier = verifyCalls()): Express {
  const app = express()
  const answer = (request: Request, response: Response) => {
    const { user, actor, permissions, tool } = readDelegation(request)
    response.json({ user: user.id, agent: actor.clientId, permissions: [...permissions], tool })
  }
  const byTool = (request: Request): Expectation => ({ tool: request.query['tool'] as string })
  app.get('/me', requireDelegation(verifier), answer)
  app.get('/bills', requireDelegation(verifier, { permissions: ['billing:read'] }), answer)
  app.post(
    '/refunds',
    requireDelegation(verifier, { permissions: ['billing:read', 'billing:refund'] }),
    answer,
  )
  app.get('/tool', requireDelegation(verifier, byTool), answer)
  app.get('/open', answer)
  app.use((error: Error, _request: Request, response: Response, _next: unknown) => {
    response.status(500).json({ fault: error.name })
  })
  return app
}

const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })

describe('an express route behind requireDelegation', () => {
  test.each(['/me', '/bills', '/tool?tool=get_customer_billing'])(
    'serves %s to a genuine token',
    async (path) => {
      const response = await fetch((await listen(createApi())) + path, bearer(signCall()))
      expect(response.status).toBe(200)
      expect(await response.json()).toEqual({
        user: 'alice',
        agent: 'c1',
        permissions: ['billing:read', 'profile:read'],
        tool: 'get_customer_billing',
      })
    },
  )

  test.each([
    { why: 'no token', init: {}, status: 401, challenge: 'Bearer', code: 'token_missing' },
    {
      why: 'a garbled token',
      init: bearer('garbage'),
      status: 401,
      challenge: 'Bearer error="invalid_token", error_description="the token is malformed"',
      code: 'token_malformed',
    },
    {
      why: 'a token for another API',
      init: bearer(signCall({ aud: 'https://profile.example' })),
      status: 401,
      challenge: 'Bearer error="invalid_token", error_description="the token is for another audience"',
      code: 'audience_mismatch',
    },
    {
      why: 'an expired token',
      init: bearer(signCall({ exp: ISSUED_AT / 1000 - 6, iat: ISSUED_AT / 1000 - 66 })),
      status: 401,
      challenge: 'Bearer error="invalid_token", error_description="the token has expired"',
      code: 'token_expired',
    },
    {
      why: 'something else than a token',
      init: { headers: { authorization: 'Bearer a b' } },
      status: 400,
      challenge: 'Bearer error="invalid_request", error_description="exactly one bearer token is required"',
      code: 'invalid_request',
    },
  ])('answers $status to $why', async ({ init, status, challenge, code }) => {
    const response = await fetch(`${await listen(createApi())}/me`, init)
    expect(response.status).toBe(status)
    expect(response.headers.get('www-authenticate')).toBe(challenge)
    expect(response.headers.get('content-type')).toBe('application/problem+json')
    expect(await response.json()).toEqual({ title: expect.any(String), status, code })
  })

  test('answers 403 naming the permissions it needs and the audit event of the token', async () => {
    const response = await fetch(`${await listen(createApi())}/refunds`, {
      method: 'POST',
      ...bearer(signCall()),
    })
    expect(response.status).toBe(403)
    expect(response.headers.get('www-authenticate')).toBe(
      'Bearer error="insufficient_scope", error_description="the token lacks a permission", scope="billing:read billing:refund"',
    )
    expect(await response.json()).toEqual({
      title: 'the token lacks a permission',
      status: 403,
      code: 'permission_missing',
      auditId: 'audit-1',
    })
  })

  test('takes what it expects from the request', async () => {
    const response = await fetch(`${await listen(createApi())}/tool?tool=refund`, bearer(signCall()))
    expect(response.status).toBe(403)
    expect(await response.json()).toMatchObject({ code: 'tool_mismatch' })
  })

  test('answers 400 to two Authorization headers, of which Node would show only the first', async () => {
    const url = await listen(createApi())
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
    const unreachable = createVerifier({ serverUrl: gone, audience: BILLING })
    const response = await fetch(`${await listen(createApi(unreachable))}/me`, bearer(signCall()))
    expect(response.status).toBe(503)
    expect(response.headers.get('www-authenticate')).toBeNull()
    expect(await response.json()).toEqual({
      title: 'tokens cannot be verified at the moment',
      status: 503,
      code: 'network',
    })
  })

  test('hands a fault of the API to its error handler, such as an expectation that is no check', async () => {
    const url = await listen(createApi())
    const response = await fetch(`${url}/tool`, bearer(signCall()))
    expect(response.status).toBe(500)
    expect(await response.json()).toEqual({ fault: 'TypeError' })
  })

  test('refuses at creation what it could not hold to', () => {
    expect(() => requireDelegation(verifyCalls(), { permission: 'x' } as Expectation)).toThrow(TypeError)
  })

  test('tells a handler without it that nobody asked', async () => {
    const response = await fetch(`${await listen(createApi())}/open`, bearer(signCall()))
    expect(response.status).toBe(500)
    expect(await response.json()).toEqual({ fault: 'TypeError' })
  })

  test('stands before any Node handler too', async () => {
    const guard = requireDelegation(verifyCalls())
    const url = await listen((request, response) => {
      void guard(request, response, () => response.end(readDelegation(request).user.id))
    })
    expect(await (await fetch(url, bearer(signCall()))).text()).toBe('alice')
    expect((await fetch(url)).status).toBe(401)
  })
})
