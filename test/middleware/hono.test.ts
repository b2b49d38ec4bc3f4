import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { expect, test } from 'vitest'
import { requireDelegation } from '../../src/middleware/hono.js'
import { verifyCalls } from '../support/refused-tokens.js'
import { signCall } from '../support/token-issuer.js'
import { bearer, describeMiddleware, show } from './suite.js'

describeMiddleware({
  name: 'hono',
  hasPathFields: true,
  createApi(verifier, routes) {
    const app = new Hono()
    for (const { method, path, expect } of routes) {
      app.on(method, path, requireDelegation(verifier, expect), async (context) => {
        const body = method === 'GET' ? undefined : await context.req.json().catch(() => undefined)
        return context.json(show(context.var.delegation, body))
      })
    }
    return getRequestListener(app.fetch)
  },
})

test('hono itself answers for a fault of the API', async () => {
  const app = new Hono()
  const guard = requireDelegation(verifyCalls(), () => ({ permission: 'x' }) as object)
  app.get('/', guard, (context) => context.text(context.var.delegation.user.id))
  app.onError((error, context) => context.json(error.name, 500))
  const response = await app.request('/', bearer(signCall()))
  expect(response.status).toBe(500)
  expect(await response.json()).toBe('TypeError')
})
