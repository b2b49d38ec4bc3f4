import fastify, { type FastifyInstance } from 'fastify'
import { describe, expect, test } from 'vitest'
import { readDelegation, requireDelegation } from '../../src/middleware/fastify.js'
import { verifyCalls } from '../support/refused-tokens.js'
import { signBound, signCall } from '../support/token-issuer.js'
import { askHttp2, bearer, describeMiddleware, listen, listenHttp2, METADATA, show } from './suite.js'

describeMiddleware({
  name: 'fastify',
  hasPathFields: true,
  async createApi(verifier, routes) {
    const app = fastify()
    for (const { method, path: url, expect } of routes) {
      const preHandler = requireDelegation(verifier, expect)
      const handler = async (request: object & { body?: unknown }) =>
        show(readDelegation(request), request.body)
      app.route({ method, url, preHandler, handler })
    }
    await app.ready()
    return (request, response) => app.routing(request, response)
  },
})

test('fastify itself answers for a fault of the API', async () => {
  const app = fastify()
  const preHandler = requireDelegation(verifyCalls(), () => ({ permission: 'x' }) as object)
  app.get('/', { preHandler }, async () => 'unreachable')
  await app.ready()
  const url = await listen((request, response) => app.routing(request, response))
  expect((await fetch(url, bearer(signCall()))).status).toBe(500)
})

const call = { tool: 'refund', call: { bound: ['amount'] } }

test('serves what fastify injects, of one credential only', async () => {
  const app = fastify()
  app.get('/', { preHandler: requireDelegation(verifyCalls()) }, async () => 'served')
  const authorization = `Bearer ${signCall()}`
  const inject = async (headers: Record<string, string | string[]>) =>
    (await app.inject({ url: '/', headers })).statusCode
  expect(await inject({ authorization })).toBe(200)
  expect(await inject({})).toBe(401)
  expect(await inject({ authorization: [authorization, authorization] })).toBe(400)
})

test.each(['onRequest', 'preParsing', 'preHandler'] as const)(
  'lets no body in that it has not seen: %s',
  async (hook) => {
    const app = fastify()
    const guard = requireDelegation(verifyCalls(), call)
    app.post('/', { [hook]: guard }, async () => 'served')
    app.get('/', { [hook]: guard }, async () => 'served')
    const inject = async (method: 'GET' | 'POST', body?: string) =>
      (
        await app.inject({
          method,
          url: '/?amount=1',
          headers: {
            authorization: `Bearer ${signBound({ amount: '1' })}`,
            ...(body !== undefined && { 'content-type': 'application/json' }),
          },
          ...(body !== undefined && { body }),
        })
      ).statusCode
    expect(await inject('GET')).toBe(200)
    expect(await inject('POST')).toBe(200)
    expect(await inject('GET', '{"to":"x"}')).toBe(500)
    expect(await inject('POST', '{"to":"x"}')).toBe(hook === 'preHandler' ? 403 : 500)
  },
)

describe('below a prefix', () => {
  const bound = { tool: 'refund', call: { bound: ['account', 'amount'], unbound: ['trace'] } }
  const serve = async () => 'served'

  async function refund(routes: (scope: FastifyInstance) => Promise<unknown>, url: string): Promise<number> {
    const app = fastify()
    await app.register(routes, { prefix: '/v1/accounts/:account' })
    const authorization = `Bearer ${signBound({ account: 'alice', amount: '1' })}`
    const request = { method: 'POST', url, headers: { authorization }, body: { amount: '1' } } as const
    return (await app.inject(request)).statusCode
  }

  test.each<{ where: string; routes: (scope: FastifyInstance) => Promise<unknown> }>([
    {
      where: 'of a route',
      routes: async (scope) =>
        scope.post('/refunds', { preHandler: requireDelegation(verifyCalls(), bound) }, serve),
    },
    {
      where: 'of all routes of a plugin',
      routes: async (scope) =>
        scope.addHook('preHandler', requireDelegation(verifyCalls(), bound)).post('/refunds', serve),
    },
    {
      where: 'of a plugin below another',
      routes: async (scope) => {
        const inner = async (part: FastifyInstance) => void part.post('/', serve)
        scope.addHook('preHandler', requireDelegation(verifyCalls(), bound))
        await scope.register(inner, { prefix: '/refunds' })
      },
    },
  ])('a guard $where sees every field of the path', async ({ routes }) => {
    expect(await refund(routes, '/v1/accounts/alice/refunds?trace=1')).toBe(200)
    expect(await refund(routes, '/v1/accounts/mallory/refunds')).toBe(403)
    expect(await refund(routes, '/v1/accounts/alice/refunds?to=x')).toBe(403)
  })

  test('names the resource of its verifier', async () => {
    const app = fastify()
    const routes = async (scope: FastifyInstance) => {
      scope.get('/bills', { preHandler: requireDelegation(verifyCalls()) }, serve)
    }
    await app.register(routes, { prefix: '/v1' })
    const refused = await app.inject({ url: '/v1/bills' })
    expect(refused.headers['www-authenticate']).toBe(`Bearer ${METADATA}`)
  })
})

test('serves HTTP/2', async () => {
  const app = fastify({ http2: true })
  app.get('/', { preHandler: requireDelegation(verifyCalls()) }, async () => 'served')
  app.get('/call', { preHandler: requireDelegation(verifyCalls(), call) }, async () => 'served')
  app.post('/', { preHandler: requireDelegation(verifyCalls(), call) }, async () => 'served')
  await app.ready()
  const url = await listenHttp2((request, response) => app.routing(request, response))
  const token = signBound({ amount: '1' })
  expect(await askHttp2(url, signCall())).toBe(200)
  expect(await askHttp2(url, token, { path: '/call?amount=1' })).toBe(200)
  expect(await askHttp2(url, token, { body: { amount: '1' } })).toBe(200)
  expect(await askHttp2(url, token, { body: { amount: '2' } })).toBe(403)
})
