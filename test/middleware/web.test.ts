import { getRequestListener } from '@hono/node-server'
import { describe, expect, test } from 'vitest'
import { requireDelegation } from '../../src/middleware/web.js'
import { verifyCalls } from '../support/refused-tokens.js'
import { signBound, signCall } from '../support/token-issuer.js'
import { bearer, describeMiddleware, show } from './suite.js'

describeMiddleware({
  name: 'the Web',
  hasPathFields: false,
  createApi(verifier, routes) {
    const handlers = routes.map(({ method, path, expect }) => ({
      name: `${method} ${path}`,
      handle: requireDelegation(verifier, expect, async (request, delegation) => {
        const body = method === 'GET' ? undefined : await request.json().catch(() => undefined)
        return Response.json(show(delegation, body))
      }),
    }))
    return getRequestListener((request) => {
      const name = `${request.method} ${new URL(request.url).pathname}`
      return (
        handlers.find((handler) => handler.name === name)?.handle(request) ??
        new Response('', { status: 404 })
      )
    })
  },
})

describe('a handler of the Web behind requireDelegation', () => {
  const url = 'https://billing.example/invoices/in_1/refund'

  test('gets what its host passes beside the request', async () => {
    const handle = requireDelegation<[{ name: string }]>(verifyCalls(), {}, (_request, { user }, env) =>
      Response.json(`${user.id} at ${env.name}`),
    )
    const response = await handle(new Request(url, bearer(signCall())), { name: 'billing' })
    expect(await response.json()).toBe('alice at billing')
  })

  test('knows its request by the type that its framework gives it', async () => {
    class FrameworkRequest extends Request {
      readonly nextUrl = new URL(this.url)
    }
    type RouteContext = { params: { id: string } }
    const handle: (request: FrameworkRequest, context: RouteContext) => Promise<Response> = requireDelegation(
      verifyCalls(),
      ({ nextUrl }: FrameworkRequest) => ({ tool: nextUrl.searchParams.get('tool') ?? '' }),
      ({ nextUrl }, { tool }, { params }: RouteContext) => Response.json([nextUrl.pathname, tool, params.id]),
    )
    const request = new FrameworkRequest(`${url}?tool=get_customer_billing`, bearer(signCall()))
    const response = await handle(request, { params: { id: 'in_1' } })
    expect(await response.json()).toEqual(['/invoices/in_1/refund', 'get_customer_billing', 'in_1'])
  })

  test('gets the fields of its path by a function', async () => {
    const handle = requireDelegation(
      verifyCalls(),
      async (request) => {
        const { amount } = (await request.clone().json()) as { amount: string }
        return {
          tool: 'refund',
          call: { invoice: new URL(request.url).pathname.split('/')[2] ?? '', amount },
        }
      },
      (_request, { call }) => Response.json(call),
    )
    const init = { ...bearer(signBound({ invoice: 'in_1', amount: '1' })), method: 'POST' }
    const accepted = await handle(new Request(url, { ...init, body: '{"amount":"1"}' }))
    expect(await accepted.json()).toEqual({ invoice: 'in_1', amount: '1' })
    const refused = await handle(new Request(url, { ...init, body: '{"amount":"2"}' }))
    expect(refused.status).toBe(403)
  })

  test('rejects for a fault of the API, such as a body that was read before', async () => {
    const expectation = { tool: 'refund', call: { bound: ['amount'] } }
    const handle = requireDelegation(verifyCalls(), expectation, () => new Response('unreachable'))
    const init = { ...bearer(signBound({ amount: '1' })), method: 'POST', body: '{"amount":"1"}' }
    const request = new Request(url, init)
    await request.text()
    await expect(handle(request)).rejects.toThrow('the body was read before requireDelegation')
  })
})
