import { beforeAll, describe, expect, test } from 'vitest'
import { BILLING, startTestServer, type TestServer } from '../support/running-server.js'
import { spoilSignature } from '../support/token-issuer.js'
import { isWorkerdMissing, startWorker } from '../support/workerd.js'
import { installPackage } from './installed-package.js'

const createProgram = ({ url, clientId }: TestServer) => `
  import { createAuthsecClient } from 'authsec'
  import { requireDelegation as requireForHono } from 'authsec/hono'
  import { createVerifier } from 'authsec/verify'
  import { requireDelegation } from 'authsec/web'
  import { Hono } from 'hono'
  const calls = createVerifier({ serverUrl: '${url}', audience: '${BILLING}' })
  const bases = createVerifier({ serverUrl: '${url}', audience: 'authsec-api', profiles: ['base'] })
  const authsec = createAuthsecClient({ serverUrl: '${url}', clientId: '${clientId}' })
  const refund = { tool: 'refund', call: { bound: ['amount'] } }
  const show = (_, { profile, user, actor }) => Response.json({ profile, user: user.id, agent: actor.clientId })
  const app = new Hono().get('/hono', requireForHono(calls), ({ json, var: { delegation } }) => json(delegation.user.id))
  const routes = {
    '/hono': app.fetch,
    '/call': requireDelegation(calls, { permissions: ['billing:read'] }, show),
    '/base': requireDelegation(bases, {}, show),
    '/refunds': requireDelegation(calls, refund, (_, { call }) => Response.json(call)),
    async '/token'(request) {
      const token = await authsec.getDelegationToken(await request.json())
      return Response.json({ token: token.reveal(), fromCache: token.fromCache })
    },
    '/globals': () => Response.json([typeof process, typeof Buffer, navigator.userAgent]),
  }
  export default { fetch: (request) => routes[new URL(request.url).pathname](request) }`

let server: TestServer
let ask: (path: string, init?: RequestInit) => Promise<Response>

describe.skipIf(isWorkerdMissing)('what a worker installs', () => {
  beforeAll(async () => {
    server = await startTestServer({ clock: Date.now })
    const { directory, remove } = installPackage(['hono'])
    const worker = await startWorker(createProgram(server), directory)
    ask = (path, init) => fetch(worker.url + path, init)
    return async () => {
      await worker.stop()
      await server.close()
      remove()
    }
  })

  const present = (path: string, token: string, body?: object) =>
    ask(path, {
      headers: { authorization: `Bearer ${token}` },
      ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
    })

  const obtain = async (request: object) =>
    (await (await ask('/token', { method: 'POST', body: JSON.stringify(request) })).json()) as {
      token: string
      fromCache: boolean
    }

  const BILL = { audience: BILLING, permissions: ['billing:read'] }

  test('finds nothing of Node there', async () => {
    expect(await (await ask('/globals')).json()).toEqual(['undefined', 'undefined', 'Cloudflare-Workers'])
  })

  test('gets a token and keeps it', async () => {
    const { token, fromCache } = await obtain(BILL)
    expect(fromCache).toBe(false)
    expect(await obtain(BILL)).toEqual({ token, fromCache: true })
  })

  test.each([
    { profile: 'call', path: '/call', other: '/base', request: BILL, why: 'algorithm_rejected' },
    { profile: 'base', path: '/base', other: '/call', request: {}, why: 'type_mismatch' },
  ])('accepts a genuine $profile token, and no other', async ({ profile, path, other, request, why }) => {
    const { token } = await obtain(request)
    const served = { profile, user: server.user.id, agent: server.clientId }
    expect(await (await present(path, token)).json()).toEqual(served)
    expect(await (await present(path, token)).json()).toEqual(served)
    const refused = [await present(path, spoilSignature(token)), await present(other, token)]
    expect(refused.map(({ status }) => status)).toEqual([401, 401])
    expect(await Promise.all(refused.map((response) => response.json()))).toMatchObject([
      { code: 'signature_invalid' },
      { code: why },
    ])
  })

  test('guards the routes of hono', async () => {
    const { token } = await obtain(BILL)
    expect(await (await present('/hono', token)).json()).toBe(server.user.id)
    expect((await present('/hono', spoilSignature(token))).status).toBe(401)
  })

  test('holds a call to the token that is bound to it', async () => {
    const call = { amount: '10.00' }
    const { token } = await obtain({ audience: BILLING, tool: 'refund', binding: 'call', call })
    expect(await (await present('/refunds', token, call)).json()).toEqual(call)
    expect(await (await present('/refunds', token, { amount: '90.00' })).json()).toMatchObject({
      code: 'call_mismatch',
    })
  })
})
