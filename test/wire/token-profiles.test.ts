import { createLocalJWKSet, decodeProtectedHeader, type JSONWebKeySet, jwtVerify } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RunningServer, startServer } from '../../src/server/index.js'

const BILLING = 'https://billing.example'

let server: RunningServer
let baseToken: string
let callToken: string
beforeAll(async () => {
  server = await startServer({ port: 0, state: ':memory:' })
  const pulled = await read(`/authsec/uflow/sdk/delegation-token?client_id=${server.clientId}`)
  baseToken = String(pulled['token'])
  const exchanged = await read('/oauth/token', {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: baseToken,
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      client_id: server.clientId,
      resource: BILLING,
    }),
  })
  callToken = String(exchanged['access_token'])
})
afterAll(() => server.close())

describe('a check as RFC 9068 asks for it', () => {
  test('takes a call token', async () => {
    await expect(checkAccessToken(callToken)).resolves.toMatchObject({ client_id: server.clientId })
  })

  test('refuses a base token, and with the keys of the tenant for what it is', async () => {
    await expect(checkAccessToken(baseToken)).rejects.toThrow()
    await expect(checkAccessToken(baseToken, await readBundle())).rejects.toThrow(/"typ"/)
  })
})

describe('a check as JWT-SVID asks for it', () => {
  test('takes a base token', async () => {
    await expect(checkSvid(baseToken)).resolves.toMatchObject({ user_id: server.user.id })
  })

  test('refuses a call token, also with the keys of the server', async () => {
    await expect(checkSvid(callToken)).rejects.toThrow('typ is at+jwt')
    await expect(checkSvid(callToken, await readKeySet())).rejects.toThrow('typ is at+jwt')
  })
})

/** RFC 9068 §4, as far as it concerns a resource server that decrypts nothing. */
async function checkAccessToken(token: string, keys?: JSONWebKeySet) {
  const { payload } = await jwtVerify(token, createLocalJWKSet(keys ?? (await readKeySet())), {
    typ: 'at+jwt',
    issuer: server.issuer,
    audience: BILLING,
    requiredClaims: ['exp', 'sub', 'client_id', 'iat', 'jti'],
  })
  return payload
}

/** JWT-SVID §2 (header), §3 (claims) and §6.4 (validation), for a bundle of one key. */
async function checkSvid(token: string, keys?: JSONWebKeySet) {
  const { alg = '', typ = 'JWT', kid: _, ...others } = decodeProtectedHeader(token)
  if (!['JWT', 'JOSE'].includes(typ)) throw new Error(`typ is ${typ}`)
  if (!/^(?:RS|ES|PS)(?:256|384|512)$/.test(alg)) throw new Error(`alg is ${alg}`)
  if (Object.keys(others).length > 0) throw new Error(`the header has ${Object.keys(others)}`)
  const { payload } = await jwtVerify(token, createLocalJWKSet(keys ?? (await readBundle())), {
    audience: 'authsec-api',
    requiredClaims: ['sub', 'aud', 'exp'],
  })
  if (!/^spiffe:\/\/[a-z0-9.-]+\/./.test(payload.sub ?? '')) throw new Error(`sub is ${payload.sub}`)
  return payload
}

async function readKeySet(): Promise<JSONWebKeySet> {
  return (await read('/oauth/jwks')) as unknown as JSONWebKeySet
}

async function readBundle(): Promise<JSONWebKeySet> {
  const { keys } = await read(`/authsec/spiresvc/v1/jwt/bundle?tenant_id=${server.tenantId}`)
  // A base token names no key, and AuthSec's bundle has one.
  return { keys: (keys as JSONWebKeySet['keys']).map(({ kid: _, ...key }) => key) }
}

async function read(path: string, init?: RequestInit): Promise<Record<string, unknown>> {
  const response = await fetch(`${server.url}${path}`, init)
  expect(response.status).toBe(200)
  return (await response.json()) as Record<string, unknown>
}
