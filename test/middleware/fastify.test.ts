import fastify from 'fastify'
import { expect, test } from 'vitest'
import { readDelegation, requireDelegation } from '../../src/middleware/fastify.js'
import { verifyCalls } from '../support/refused-tokens.js'
import { signBound, signCall } from '../support/token-issuer.js'
import { askHttp2, bearer, describeMiddleware, listen, listenHttp2, show } from './suite.js'

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

test('serves HTTP/2', async () => {
  const app = fastify({ http2: true })
  app.get('/', { preHandler: requireDelegation(verifyCalls()) }, async () => 'served')
  app.post('/', { preHandler: requireDelegation(verifyCalls(), call) }, async () => 'served')
  await app.ready()
  const url = await listenHttp2((request, response) => app.routing(request, response))
  const token = signBound({ amount: '1' })
  expect(await askHttp2(url, signCall())).toBe(200)
  expect(await askHttp2(url, token, { body: { amount: '1' } })).toBe(200)
  expect(await askHttp2(url, token, { body: { amount: '2' } })).toBe(403)
})
