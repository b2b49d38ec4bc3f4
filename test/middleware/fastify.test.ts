import fastify from 'fastify'
import { expect, test } from 'vitest'
import { readDelegation, requireDelegation } from '../../src/middleware/fastify.js'
import { verifyCalls } from '../support/refused-tokens.js'
import { signCall } from '../support/token-issuer.js'
import { bearer, describeMiddleware, listen, show } from './suite.js'

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
