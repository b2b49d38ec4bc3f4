import { describe, expect, test } from 'vitest'
import { jsonResponse, STUB_CLIENT_ID } from '../support/stub-authsec.js'
import { createStubbedClient } from '../support/stub-client.js'

describe('pulling the base token', () => {
  test('asks by client id, in the query and in the header', async () => {
    const { authsec, stub } = createStubbedClient()
    await authsec.getDelegationToken()
    expect(stub.requests[0]?.url).toMatch(
      new RegExp(`/authsec/uflow/sdk/delegation-token\\?client_id=${STUB_CLIENT_ID}$`),
    )
    expect(stub.requests[0]?.headers.get('x-client-id')).toBe(STUB_CLIENT_ID)
    expect(stub.requests).toHaveLength(1)
  })

  test('says what the token is for', async () => {
    const { authsec, clock } = createStubbedClient()
    expect(await authsec.getDelegationToken()).toMatchObject({
      jti: 'base-1',
      audience: ['https://billing.example', 'https://profile.example'],
      permissions: ['billing:read', 'orders:read', 'profile:read'],
      expiresAt: new Date(clock.wall() + 3_600_000),
      fromCache: false,
      auditId: undefined,
    })
  })

  test.each([
    { status: 404, body: { error: 'Client not found', details: 'x' }, code: 'client_not_found' },
    { status: 404, body: { error: 'No active delegation token found', details: 'x' }, code: 'no_delegation' },
    {
      status: 410,
      body: { error: 'Delegation token has expired', expired_at: 'x' },
      code: 'delegation_expired',
    },
    { status: 404, body: { error: 'Not here' }, code: 'server_error' },
    { status: 400, body: { error: 'Invalid client_id format' }, code: 'invalid_request' },
    { status: 401, body: { error: 'Unauthorized' }, code: 'invalid_client' },
    { status: 500, body: { error: 'Failed to connect to tenant database' }, code: 'server_error' },
  ])('takes $status $body.error for $code', async ({ status, body, code }) => {
    const { authsec, stub } = createStubbedClient()
    stub.script('pull', () => jsonResponse(status, body))
    await expect(authsec.getDelegationToken()).rejects.toMatchObject({ code, requestId: 'request-1' })
  })

  test.each([
    { why: 'HTML with 200', reply: () => new Response('<html>') },
    { why: 'HTML with 404', reply: () => new Response('<html>', { status: 404 }) },
  ])('takes $why for the wrong server', async ({ reply }) => {
    const { authsec, stub } = createStubbedClient()
    stub.script('pull', reply)
    await expect(authsec.getDelegationToken()).rejects.toMatchObject({
      code: 'server_error',
      hint: 'Check that the server URL is that of an AuthSec server.',
    })
  })

  test.each([
    {
      why: 'no token',
      bend: (_: object, body: Record<string, unknown>) => Object.assign(body, { token: undefined }),
    },
    {
      why: 'a token that is no JWT',
      bend: (_: object, body: Record<string, unknown>) => Object.assign(body, { token: 'opaque' }),
    },
    { why: 'no jti', bend: (claims: Record<string, unknown>) => delete claims['jti'] },
    { why: 'no exp', bend: (claims: Record<string, unknown>) => delete claims['exp'] },
    { why: 'exp as text', bend: (claims: Record<string, unknown>) => Object.assign(claims, { exp: '1' }) },
    {
      why: 'no lifetime',
      bend: (claims: Record<string, unknown>) => Object.assign(claims, { iat: claims['exp'] }),
    },
    { why: 'no audience', bend: (claims: Record<string, unknown>) => delete claims['aud'] },
    {
      why: 'permissions as text',
      bend: (claims: Record<string, unknown>) => Object.assign(claims, { permissions: 'a:r' }),
    },
    {
      why: 'another client',
      bend: (claims: Record<string, unknown>) => Object.assign(claims, { client_id: 'other' }),
    },
  ])('refuses an answer with $why', async ({ bend }) => {
    const { authsec, stub } = createStubbedClient()
    stub.bend.base = bend
    await expect(authsec.getDelegationToken()).rejects.toMatchObject({ code: 'token_response_invalid' })
    expect(authsec.peek()).toBeUndefined()
  })

  test('refuses a token that has expired, whatever the server says', async () => {
    const { authsec, stub, clock } = createStubbedClient()
    stub.bend.base = (claims) =>
      Object.assign(claims, { iat: clock.wall() / 1000 - 10, exp: clock.wall() / 1000 })
    await expect(authsec.getDelegationToken()).rejects.toMatchObject({ code: 'delegation_expired' })
  })
})
