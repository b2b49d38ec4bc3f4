import { getRequestListener } from '@hono/node-server'
import { Hono } from 'hono'
import { expect, test } from 'vitest'
import { requireDelegation } from '../../src/middleware/hono.js'
import { verifyCalls } from '../support/refused-tokens.js'
import { signBound, signCall } from '../support/token-issuer.js'
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

const expected = { tool: 'refund', call: { bound: ['account', 'amount'] } }
const post = (args: object, body: unknown = args) => ({
  ...bearer(signBound({ account: 'alice', amount: '1', ...args })),
  method: 'POST',
  body: JSON.stringify(body),
})

test('reads a body that a validator has read before', async () => {
  const app = new Hono()
  app.use(async (context, next) => {
    await context.req.json()
    await next()
  })
  const guard = requireDelegation(verifyCalls(), expected)
  app.post('/', guard, async (context) => context.json(await context.req.json()))
  const args = { account: 'alice', amount: '1' }
  const response = await app.request('/', post(args))
  expect(await response.json()).toEqual(args)
  expect((await app.request('/', post(args, { ...args, amount: '2' }))).status).toBe(403)
})

test('knows the fields of the path above in an app that is a route of another', async () => {
  const inner = new Hono()
  inner.post('/refunds', requireDelegation(verifyCalls(), expected), (context) => context.text('served'))
  const app = new Hono().route('/accounts/:account', inner)
  expect((await app.request('/accounts/alice/refunds', post({}, { amount: '1' }))).status).toBe(200)
  expect((await app.request('/accounts/mallory/refunds', post({}, { amount: '1' }))).status).toBe(403)
})

test('does not stand before a route whose fields it cannot see', async () => {
  const app = new Hono()
  app.use('/accounts/*', requireDelegation(verifyCalls(), expected))
  app.post('/accounts/:to', (context) => context.text('served'))
  app.onError((error, context) => context.json(error.message, 500))
  const response = await app.request('/accounts/mallory', post({ account: 'alice', amount: '1' }))
  expect(response.status).toBe(500)
  expect(await response.json()).toContain('at the route itself')
})
