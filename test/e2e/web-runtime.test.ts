import path from 'node:path'
import { createContext, runInContext } from 'node:vm'
import { build } from 'esbuild'
import { beforeAll, describe, expect, test } from 'vitest'
import { answer, stubServer } from '../support/stub-server.js'
import {
  BILLING,
  CALL_CLAIMS,
  CALL_KEY,
  createKey,
  ISSUED_AT,
  ISSUER,
  issuerRoutes,
  signBound,
  signCall,
  signJwt,
} from '../support/token-issuer.js'

// What a worker does: one bundle, made for no platform, in a world that has the interfaces of the Web and nothing else.
const PROGRAM = `
  import { createVerifier } from './src/verify/index.js'
  import { requireDelegation } from './src/middleware/web.js'
  const verifier = createVerifier({ serverUrl: '${ISSUER}', audience: '${BILLING}', clock: () => ${ISSUED_AT} })
  const refund = { tool: 'refund', call: { bound: ['amount'] } }
  const routes = {
    '/bill': requireDelegation(verifier, {}, (_, { user }) => Response.json(user.id)),
    '/refunds': requireDelegation(verifier, refund, (_, { call }) => Response.json(call)),
  }
  globalThis.handle = (request) => routes[new URL(request.url).pathname](request)
  globalThis.verifySync = (token) => { try { return verifier.verifySync(token) } catch (error) { return error.message } }`

const WEB = [
  'AbortController',
  'AbortSignal',
  'Headers',
  'ReadableStream',
  'Request',
  'Response',
  'TextDecoder',
  'TextEncoder',
  'URL',
  'URLSearchParams',
  'atob',
  'btoa',
  'clearTimeout',
  'crypto',
  'performance',
  'setTimeout',
] as const

const RSA_KEY = createKey('RS256', { kid: 'rsa-key' })
const server = stubServer({
  ...issuerRoutes(),
  'GET /oauth/jwks': answer(200, { keys: [CALL_KEY.jwk, RSA_KEY.jwk] }),
})
let world: { handle(request: Request): Promise<Response>; verifySync(token: string): unknown }

beforeAll(async () => {
  const { outputFiles } = await build({
    stdin: { contents: PROGRAM, resolveDir: path.join(import.meta.dirname, '../..') },
    bundle: true,
    platform: 'neutral',
    format: 'iife',
    write: false,
  })
  const globals = Object.fromEntries(WEB.map((name) => [name, globalThis[name]]))
  const context = createContext({ ...globals, fetch: server.fetch })
  runInContext(outputFiles[0]?.text ?? '', context)
  world = context as typeof world
})

const call = (route: string, token: string, body?: string) =>
  world.handle(
    new Request(`${BILLING}${route}`, {
      headers: { authorization: `Bearer ${token}` },
      ...(body !== undefined && { method: 'POST', body }),
    }),
  )

describe('in a runtime that has nothing of Node', () => {
  test.each([
    { alg: 'ES256', token: signCall() },
    {
      alg: 'RS256',
      token: signJwt({ alg: 'RS256', typ: 'at+jwt', kid: 'rsa-key' }, CALL_CLAIMS, RSA_KEY.privateKey),
    },
  ])('a token signed with $alg is accepted, also when it comes again', async ({ token }) => {
    expect(await (await call('/bill', token)).json()).toBe('alice')
    expect(await (await call('/bill', token)).json()).toBe('alice')
  })

  test('a call is held to the token that is bound to it', async () => {
    const token = signBound({ amount: '10.00' })
    expect(await (await call('/refunds', token, '{"amount":"10.00"}')).json()).toEqual({ amount: '10.00' })
    expect((await call('/refunds', token, '{"amount":"90.00"}')).status).toBe(403)
  })

  test.each([
    { why: 'a forged signature', token: `${signCall().replace(/[^.]*$/, '')}${'A'.repeat(86)}` },
    { why: 'an unknown key', token: signCall({}, { kid: 'other' }) },
    { why: 'the algorithm of another key', token: signCall({}, { alg: 'RS256' }) },
    { why: 'another audience', token: signCall({ aud: 'https://orders.example' }) },
    { why: 'no form', token: 'garbage' },
  ])('a token is refused for $why', async ({ token }) => {
    expect((await call('/bill', token)).status).toBe(401)
  })

  test('verifySync says that it had to wait', () => {
    expect(world.verifySync(signCall())).toBe('this verifier has to wait for the crypto of this runtime')
  })
})
