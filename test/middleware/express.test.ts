import { once } from 'node:events'
import { Agent, type IncomingMessage, type RequestListener, request } from 'node:http'
import express, { type Express, type Request, type Response } from 'express'
import { describe, expect, test } from 'vitest'
import { readDelegation, requireDelegation } from '../../src/middleware/express.js'
import type { Expectation } from '../../src/verify/index.js'
import { verifyCalls } from '../support/refused-tokens.js'
import { signBound, signCall } from '../support/token-issuer.js'
import {
  askHttp2,
  bearer,
  describeMiddleware,
  type Framework,
  listen,
  listenHttp2,
  METADATA,
  show,
} from './suite.js'

function createApi(parsers: express.RequestHandler[]): Framework['createApi'] {
  return (verifier, routes) => {
    const app = express()
    for (const parser of parsers) app.use(parser)
    for (const { method, path, expect } of routes) {
      const guard = requireDelegation(verifier, expect)
      const answer = (request: Request, response: Response) => {
        response.json(show(readDelegation(request), request.body))
      }
      if (method === 'GET') app.get(path, guard, answer)
      else app.post(path, guard, answer)
    }
    return app
  }
}

describeMiddleware({ name: 'express', createApi: createApi([]), hasPathFields: true })
describeMiddleware({
  name: 'express with a parser of the body',
  createApi: createApi([express.json()]),
  hasPathFields: true,
})

describe('what express alone can do', () => {
  function createToolApi(): Express {
    const app = express()
    const byTool = (request: Request): Expectation => ({ tool: request.query['tool'] as string })
    app.get('/tool', requireDelegation(verifyCalls(), byTool), (request, response) => {
      response.json(readDelegation(request).tool)
    })
    app.get(
      '/nothing',
      requireDelegation(verifyCalls(), () => undefined as unknown as Expectation),
    )
    app.get('/open', (request, response) => {
      response.json(readDelegation(request))
    })
    app.use((error: Error, _request: Request, response: Response, _next: unknown) => {
      response.status(500).json({ fault: error.name })
    })
    return app
  }

  test('takes what it expects from the request', async () => {
    const url = await listen(createToolApi())
    const accepted = await fetch(`${url}/tool?tool=get_customer_billing`, bearer(signCall()))
    expect(await accepted.json()).toBe('get_customer_billing')
    const refused = await fetch(`${url}/tool?tool=refund`, bearer(signCall()))
    expect(refused.status).toBe(403)
    expect(await refused.json()).toMatchObject({ code: 'tool_mismatch' })
  })

  test.each([
    { what: 'an expectation that is no check', path: '/tool' },
    { what: 'a function that demands nothing', path: '/nothing' },
    { what: 'a handler before which nobody asked', path: '/open' },
  ])('hands a fault of the API to its error handler: $what', async ({ path }) => {
    const response = await fetch((await listen(createToolApi())) + path, bearer(signCall()))
    expect(response.status).toBe(500)
    expect(await response.json()).toEqual({ fault: 'TypeError' })
  })

  test.each([
    { what: 'stands before any Node handler', body: undefined, status: 200 },
    {
      what: 'reads no more of a body than a call can be bound to',
      body: `{"a":"${'x'.repeat(20_000)}"}`,
      status: 403,
    },
    {
      what: 'reads no body that could be read in two ways',
      body: '{"amount":"1","amount":"2"}',
      status: 403,
    },
    { what: 'reads no body that is not JSON', body: 'amount=1', status: 403 },
    { what: 'answers who sends far too much', body: `{"a":"${'x'.repeat(3_000_000)}"}`, status: 403 },
  ])('$what', async ({ body, status }) => {
    const call = { tool: 'refund', call: { bound: ['amount'] } }
    const guard = requireDelegation(verifyCalls(), body === undefined ? {} : call)
    const listener: RequestListener = (request, response) => {
      void guard(request, response, () => response.end(readDelegation(request).user.id))
    }
    const token = body === undefined ? signCall() : signBound({ amount: '1' })
    const init = { ...bearer(token), ...(body !== undefined && { method: 'POST', body }) }
    expect((await fetch(await listen(listener), init)).status).toBe(status)
  })

  // A proxy keeps its connections, and sends the requests of others on them.
  test('serves the next request on the connection of one that sent far too much', async () => {
    const guard = requireDelegation(verifyCalls(), { tool: 'refund', call: { bound: ['amount'] } })
    const listener: RequestListener = (request, response) => {
      if (request.method === 'GET') response.end()
      else void guard(request, response, () => response.end())
    }
    const url = await listen(listener)
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const send = async (method: string, body = ''): Promise<number | undefined> => {
      const sent = request(url, { method, agent, ...bearer(signBound({ amount: '1' })) }).end(body)
      const [answer] = (await once(sent, 'response')) as [IncomingMessage]
      await once(answer.resume(), 'end')
      return answer.statusCode
    }
    expect(await send('POST', `{"a":"${'x'.repeat(300_000)}"}`)).toBe(403)
    expect(await send('GET')).toBe(200)
    agent.destroy()
  })

  describe('under a router that is mounted', () => {
    const ARGS = { account: 'alice', amount: '1' }

    /** What becomes of a refund at a path of an API. */
    async function refund(app: Express, path: string): Promise<object> {
      app.use((error: Error, _request: Request, response: Response, _next: unknown) => {
        response.status(500).json({ fault: error.message })
      })
      const init = { ...bearer(signBound(ARGS)), method: 'POST', body: '{"amount":"1"}' }
      const response = await fetch((await listen(app)) + path, init)
      const { code, fault } = (await response.json()) as { code?: string; fault?: string }
      return { status: response.status, code, fault }
    }

    function createMounted(mount: string | undefined, at: string, mergeParams = false): Express {
      const call = { bound: ['account', 'amount'], ...(mount !== undefined && { mount }) }
      const router = express.Router({ mergeParams })
      router.post('/refunds', requireDelegation(verifyCalls(), { tool: 'refund', call }), (_, response) => {
        response.json({})
      })
      return express().use(at, router)
    }

    test.each([false, true])('serves the call of its whole path alone, merged: %s', async (mergeParams) => {
      const app = () => createMounted('/v1/accounts/:account', '/v1/accounts/:account', mergeParams)
      expect(await refund(app(), '/v1/accounts/alice/refunds')).toMatchObject({ status: 200 })
      expect(await refund(app(), '/V1/accounts/%61lice/refunds')).toMatchObject({ status: 200 })
      expect(await refund(app(), '/v1/accounts/mallory/refunds')).toMatchObject({ code: 'call_mismatch' })
    })

    test.each<{ where: string; build: (router: express.Router) => Express }>([
      {
        where: 'an app of its own',
        build: (router) => express().use('/v1/accounts/:account', express().use(router)),
      },
      {
        where: 'an app below another',
        build: (router) => express().use('/v1', express().use('/accounts/:account', router)),
      },
      {
        where: 'a router below another',
        build: (router) => express().use('/v1/accounts', express.Router().use('/:account', router)),
      },
    ])('serves the call of its whole path alone in $where', async ({ build }) => {
      const call = { bound: ['account', 'amount'], unbound: ['trace'], mount: '/v1/accounts/:account' }
      const router = express.Router()
      router.post('/refunds', requireDelegation(verifyCalls(), { tool: 'refund', call }), (_, response) => {
        response.json({})
      })
      const at = (path: string) => refund(build(router), `/v1/accounts/${path}`)
      expect(await at('alice/refunds?trace=1')).toMatchObject({ status: 200 })
      expect(await at('mallory/refunds')).toMatchObject({ code: 'call_mismatch' })
      expect(await at('alice/refunds?to=x')).toMatchObject({ code: 'field_unbound' })
    })

    test('names the resource of its verifier, wherever it stands', async () => {
      const router = express.Router().use(requireDelegation(verifyCalls()))
      const url = await listen(express().use('/v1', express().use('/bills', router)))
      expect((await fetch(`${url}/v1/bills/1`)).headers.get('www-authenticate')).toBe(`Bearer ${METADATA}`)
    })

    test('looks at a field of the same name in both', async () => {
      const call = { bound: ['account', 'amount'], mount: '/:account' }
      const router = express.Router()
      router.post('/:account', requireDelegation(verifyCalls(), { tool: 'refund', call }))
      expect(await refund(express().use('/:account', router), '/mallory/alice')).toMatchObject({
        code: 'call_mismatch',
      })
    })

    test.each([
      { why: 'does not say so', mount: undefined, at: '/accounts/:account', path: '/accounts/alice/refunds' },
      {
        why: 'says where it is not',
        mount: '/users/:account',
        at: '/:a/:b',
        path: '/accounts/alice/refunds',
      },
      { why: 'says less than all', mount: '/:account', at: '/:account/:year', path: '/alice/2026/refunds' },
      { why: 'says more than there is', mount: '/:account/:year', at: '/:account', path: '/alice/refunds' },
    ])('is a fault of a route that $why', async ({ mount, at, path }) => {
      expect(await refund(createMounted(mount, at), path)).toMatchObject({
        status: 500,
        fault: 'the "mount" of the call does not say where its route is mounted',
      })
    })

    const pass: express.RequestHandler = (_request, _response, next) => next()

    test.each<{ where: string; build: (guard: express.RequestHandler) => Express }>([
      { where: 'before its route', build: (guard) => express().use(guard) },
      {
        where: 'behind another route that has passed the request on',
        build: (guard) => express().all('/{*path}', pass).use(guard),
      },
      {
        where: 'in a router that is a handler of a route',
        build: (guard) => express().post('/:account', express.Router().use(guard)),
      },
    ])('is a fault of a guard that stands $where', async ({ build }) => {
      const call = { bound: ['amount'], unbound: ['account'] }
      const app = build(requireDelegation(verifyCalls(), { tool: 'refund', call }))
      app.post('/:account', (_, response) => void response.json({}))
      expect(await refund(app, '/mallory')).toMatchObject({
        status: 500,
        fault: expect.stringContaining('at the route itself'),
      })
    })
  })

  test('says that a body is gone which something else has read', async () => {
    const app = express()
    app.use((request, _response, next) => void request.resume().on('end', next))
    app.post('/', requireDelegation(verifyCalls(), { tool: 'refund', call: { bound: ['amount'] } }))
    app.use((error: Error, _request: Request, response: Response, _next: unknown) => {
      response.status(500).json(error.message)
    })
    const init = { ...bearer(signBound({ amount: '1' })), method: 'POST', body: '{"amount":"1"}' }
    const response = await fetch(await listen(app), init)
    expect(await response.json()).toBe(
      'the body was read before requireDelegation, and not kept as request.body',
    )
  })

  test('serves HTTP/2, where a body needs no length', async () => {
    const guard = requireDelegation(verifyCalls(), { tool: 'refund', call: { bound: ['amount'] } })
    const url = await listenHttp2((request, response) => {
      void guard(request, response, () => response.end())
    })
    const token = signBound({ amount: '1' })
    expect(await askHttp2(url, token, { path: '/?amount=1' })).toBe(200)
    expect(await askHttp2(url, token, { body: { amount: '1' } })).toBe(200)
    expect(await askHttp2(url, token, { body: { amount: '2' } })).toBe(403)
    expect(await askHttp2(url, token, { path: '/?amount=1', body: { to: 'x' } })).toBe(403)
  })

  test('serves a path that is no part of a URL', async () => {
    const guard = requireDelegation(verifyCalls(), { tool: 'refund', call: { bound: ['amount'] } })
    const url = await listen((request, response) => {
      void guard(request, response, () => response.end())
    })
    const token = signBound({ amount: '1' })
    expect((await fetch(`${url}//?amount=1`, bearer(token))).status).toBe(200)
    expect((await fetch(`${url}//`, bearer(token))).status).toBe(403)
  })
})
