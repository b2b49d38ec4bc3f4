import { describe, expect, test } from 'vitest'
import { jsonResponse, oauthError, STUB_CLIENT_ID } from '../support/stub-authsec.js'
import { createStubbedClient } from '../support/stub-client.js'

const BILLING = 'https://billing.example'
const request = { audience: BILLING, permissions: ['billing:read'] }
type Body = Record<string, unknown>

describe('exchanging the base token', () => {
  test('asks for exactly what the caller wants', async () => {
    const { authsec, stub } = createStubbedClient()
    await authsec.getDelegationToken({
      audience: BILLING,
      permissions: ['profile:read', 'billing:read', 'profile:read'],
      tool: 'get_bill',
      ttlSeconds: 30,
    })
    const sent = stub.requests.find(({ endpoint }) => endpoint === 'exchange')
    expect(sent?.redirect).toBe('manual')
    expect(sent?.headers.get('idempotency-key')).toMatch(/^[0-9a-f-]{36}$/)
    expect(Object.fromEntries(sent?.form ?? [])).toEqual({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: expect.stringMatching(/^eyJ/),
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      client_id: STUB_CLIENT_ID,
      resource: BILLING,
      scope: 'billing:read profile:read',
      tool: 'get_bill',
      ttl_seconds: '30',
    })
  })

  test('leaves out what the caller leaves out', async () => {
    const { authsec, stub } = createStubbedClient()
    await authsec.getDelegationToken({ audience: BILLING })
    const sent = stub.requests.find(({ endpoint }) => endpoint === 'exchange')
    expect([...(sent?.form.keys() ?? [])].filter((name) => /scope|tool|ttl/.test(name))).toEqual([])
  })

  test('says what the token is for', async () => {
    const { authsec, clock } = createStubbedClient()
    expect(await authsec.getDelegationToken(request)).toMatchObject({
      jti: 'call-1',
      audience: [BILLING],
      permissions: ['billing:read'],
      expiresAt: new Date(clock.wall() + 60_000),
      fromCache: false,
      auditId: 'audit-1',
    })
  })

  test.each<{ why: string; bend: (claims: Body, body: Body) => unknown }>([
    {
      why: 'a permission more',
      bend: (claims, body) => widenScope(claims, body, 'billing:read billing:refund'),
    },
    { why: 'another user', bend: (claims) => Object.assign(claims, { sub: 'user-bob' }) },
    { why: 'another client', bend: (claims) => Object.assign(claims, { client_id: crypto.randomUUID() }) },
    {
      why: 'a permission more in the token alone',
      bend: (claims) => Object.assign(claims, { permissions: ['billing:read', 'billing:refund'] }),
    },
    {
      why: 'a permission more in the scope of the token',
      bend: (claims) => Object.assign(claims, { scope: 'billing:read billing:refund' }),
    },
    {
      why: 'a permission more in the answer alone',
      bend: (_, body) => Object.assign(body, { scope: 'billing:read billing:refund' }),
    },
    { why: 'another audience', bend: (claims) => Object.assign(claims, { aud: 'https://evil.example' }) },
    {
      why: 'an audience more',
      bend: (claims) => Object.assign(claims, { aud: [BILLING, 'https://evil.example'] }),
    },
    { why: 'the audience with a slash', bend: (claims) => Object.assign(claims, { aud: `${BILLING}/` }) },
    { why: 'a refresh token', bend: (_, body) => Object.assign(body, { refresh_token: 'secret' }) },
    { why: 'a longer life in the answer', bend: (_, body) => Object.assign(body, { expires_in: 61 }) },
    {
      why: 'a longer life in the token',
      bend: (claims) => Object.assign(claims, { exp: (claims['iat'] as number) + 61 }),
    },
  ])('throws a token with $why away', async ({ bend }) => {
    const { authsec, stub } = createStubbedClient()
    stub.bend.call = bend
    await expect(authsec.getDelegationToken({ ...request, ttlSeconds: 60 })).rejects.toMatchObject({
      code: 'grant_widened',
    })
    expect(authsec.peek({ ...request, ttlSeconds: 60 })).toBeUndefined()
  })

  test('throws a token away that permits more than the base token, when everything was asked for', async () => {
    const { authsec, stub } = createStubbedClient()
    stub.bend.call = (claims, body) => widenScope(claims, body, 'billing:read billing:refund')
    await expect(authsec.getDelegationToken({ audience: BILLING })).rejects.toMatchObject({
      code: 'grant_widened',
    })
  })

  test('throws a token away that outlives the base token', async () => {
    const { authsec, stub } = createStubbedClient()
    stub.bend.base = (claims) => Object.assign(claims, { exp: (claims['iat'] as number) + 30 })
    stub.bend.call = (claims) => Object.assign(claims, { exp: (claims['iat'] as number) + 31 })
    await expect(authsec.getDelegationToken(request)).rejects.toMatchObject({ code: 'grant_widened' })
  })

  test.each<{ why: string; bend: (claims: Body, body: Body) => unknown }>([
    { why: 'no token', bend: (_, body) => Object.assign(body, { access_token: undefined }) },
    { why: 'an opaque token', bend: (_, body) => Object.assign(body, { access_token: 'opaque' }) },
    { why: 'another token type', bend: (_, body) => Object.assign(body, { token_type: 'DPoP' }) },
    { why: 'no token type', bend: (_, body) => delete body['token_type'] },
    { why: 'expires_in as text', bend: (_, body) => Object.assign(body, { expires_in: '60' }) },
    { why: 'expires_in of zero', bend: (_, body) => Object.assign(body, { expires_in: 0 }) },
    { why: 'expires_in below zero', bend: (_, body) => Object.assign(body, { expires_in: -1 }) },
    { why: 'expires_in of null', bend: (_, body) => Object.assign(body, { expires_in: null }) },
    { why: 'a scope that is a list', bend: (_, body) => Object.assign(body, { scope: ['billing:read'] }) },
    { why: 'no jti', bend: (claims) => delete claims['jti'] },
  ])('refuses an answer with $why', async ({ bend }) => {
    const { authsec, stub } = createStubbedClient()
    stub.bend.call = bend
    await expect(authsec.getDelegationToken(request)).rejects.toMatchObject({
      code: 'token_response_invalid',
    })
  })

  test.each<{ why: string; bend: (claims: Body, body: Body) => unknown; permissions: string[] }>([
    { why: 'a permission less', bend: (claims, body) => widenScope(claims, body, ''), permissions: [] },
    { why: 'no scope in the answer', bend: (_, body) => delete body['scope'], permissions: ['billing:read'] },
    {
      why: 'bearer in small letters',
      bend: (_, body) => Object.assign(body, { token_type: 'bearer' }),
      permissions: ['billing:read'],
    },
    { why: 'no expires_in', bend: (_, body) => delete body['expires_in'], permissions: ['billing:read'] },
    {
      why: 'a refresh token of null',
      bend: (_, body) => Object.assign(body, { refresh_token: null }),
      permissions: ['billing:read'],
    },
  ])('takes an answer with $why', async ({ bend, permissions }) => {
    const { authsec, stub } = createStubbedClient()
    stub.bend.call = bend
    expect(await authsec.getDelegationToken(request)).toMatchObject({ permissions })
  })

  test.each<{ why: string; bend: (claims: Body, body: Body) => unknown }>([
    { why: 'expires_in', bend: (_, body) => Object.assign(body, { expires_in: 20 }) },
    { why: 'exp', bend: (claims) => Object.assign(claims, { exp: (claims['iat'] as number) + 20 }) },
  ])('believes the smaller of expires_in and exp: $why', async ({ bend }) => {
    const { authsec, stub, clock } = createStubbedClient()
    stub.bend.call = bend
    const token = await authsec.getDelegationToken(request)
    expect(token.expiresAt).toEqual(new Date(clock.wall() + 20_000))
    await clock.advance(20_000)
    expect(authsec.peek(request)).toBeUndefined()
  })

  test('does not hand out a token whose life was over before it arrived', async () => {
    const { authsec, stub, clock } = createStubbedClient()
    await authsec.getDelegationToken(request)
    const gate = stub.hold()
    const asked = authsec.getDelegationToken({ ...request, ttlSeconds: 1 })
    asked.catch(() => undefined)
    await clock.advance(1_000)
    gate.release()
    await expect(asked).rejects.toMatchObject({ code: 'timed_out', retryable: true })
  })

  test('carries the code, the words and the audit id of a refusal', async () => {
    const { authsec, stub } = createStubbedClient()
    stub.script('exchange', () =>
      oauthError(400, 'invalid_scope', 'billing:refund is not within the delegation'),
    )
    await expect(authsec.getDelegationToken(request)).rejects.toMatchObject({
      code: 'invalid_scope',
      message: 'billing:refund is not within the delegation',
      auditId: 'audit-refusal',
      requestId: 'request-1',
      retryable: false,
    })
  })

  test('sends one idempotency key with all attempts of one exchange', async () => {
    const { authsec, stub, clock } = createStubbedClient()
    stub.script('exchange', () => jsonResponse(503, { error: 'temporarily_unavailable' }))
    const asked = authsec.getDelegationToken(request)
    await clock.advance(100)
    await asked
    const keys = stub.requests
      .filter(({ endpoint }) => endpoint === 'exchange')
      .map(({ headers }) => headers.get('idempotency-key'))
    expect(keys).toHaveLength(2)
    expect(new Set(keys).size).toBe(1)
  })
})

function widenScope(claims: Body, body: Body, scope: string): void {
  Object.assign(claims, { scope, permissions: scope.split(' ').filter(Boolean) })
  Object.assign(body, { scope })
}
