import { getRequestListener } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { describe, expect, test } from 'vitest'
import { requireDelegation } from '../../src/middleware/hono.js'
import { verifyCalls } from '../support/refused-tokens.js'
import { signBound, signCall } from '../support/token-issuer.js'
import { bearer, describeMiddleware, METADATA, show } from './suite.js'

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
  expect(await response.json()).toBe('AuthsecError')
})

const expected = { tool: 'refund', call: { bound: ['account', 'amount'], unbound: ['trace'] } }
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

describe('in an app that is a part of another', () => {
  const served = (context: Context) => context.text('served')
  const createPart = (path: string) =>
    new Hono().post(path, requireDelegation(verifyCalls(), expected), served)

  test.each([
    { how: 'a route', app: () => new Hono().route('/v1/accounts/:account', createPart('/refunds')) },
    {
      how: 'a route of a route',
      app: () => new Hono().route('/v1', new Hono().route('/accounts/:account', createPart('/refunds'))),
    },
    {
      how: 'a path of its own',
      app: () =>
        new Hono()
          .basePath('/v1/accounts/:account')
          .post('/refunds', requireDelegation(verifyCalls(), expected), served),
    },
    {
      how: 'a mount below which the fields stand',
      app: () => new Hono().mount('/v1/accounts', createPart('/:account/refunds').fetch),
    },
    {
      how: 'a mount that leaves the path as it is',
      app: () =>
        new Hono().mount('/v1', createPart('/v1/accounts/:account/refunds').fetch, { replaceRequest: false }),
    },
  ])('the call is the one of the whole request: $how', async ({ app }) => {
    const refund = async (path: string) =>
      (await app().request(`/v1/accounts/${path}`, post({}, { amount: '1' }))).status
    expect(await refund('alice/refunds?trace=1')).toBe(200)
    expect(await refund('mallory/refunds')).toBe(403)
    expect(await refund('alice/refunds?to=x')).toBe(403)
  })

  test('what stands above a mount is passed on to a function', async () => {
    const byAbove = async ({ env, req }: Context<{ Bindings: { account: string } }>) => ({
      tool: 'refund',
      call: { account: env.account, amount: ((await req.json()) as { amount: string }).amount },
    })
    const part = new Hono<{ Bindings: { account: string } }>()
    part.post('/refunds', requireDelegation(verifyCalls(), byAbove), (context) => context.text('served'))
    const app = new Hono().mount('/accounts/:account', part.fetch, (context) => ({
      account: context.req.param('account'),
    }))
    expect((await app.request('/accounts/alice/refunds', post({}, { amount: '1' }))).status).toBe(200)
    expect((await app.request('/accounts/mallory/refunds', post({}, { amount: '1' }))).status).toBe(403)
  })

  test.each([
    { how: 'a route', app: () => new Hono().route('/v1', createPart('/refunds')) },
    { how: 'a mount', app: () => new Hono().mount('/v1', createPart('/refunds').fetch) },
  ])('a challenge names the resource of the verifier: $how', async ({ app }) => {
    const refused = await app().request('/v1/refunds', { method: 'POST' })
    expect(refused.headers.get('www-authenticate')).toBe(`Bearer ${METADATA}`)
  })
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
