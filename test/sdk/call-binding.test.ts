import { describe, expect, test } from 'vitest'
import type { DelegationRequest } from '../../src/sdk/index.js'
import { createStubbedClient } from '../support/stub-client.js'
import { formatUnsignedJwt } from '../support/unsigned-jwt.js'

const BILLING = 'https://billing.example'
const request = { audience: BILLING, permissions: ['billing:refund'], tool: 'refund' }
const call = { invoice: 'in_1', amount: '12.00' }
const bound: DelegationRequest = { ...request, binding: 'call', call }
type Body = Record<string, unknown>

describe('a token bound to its tool', () => {
  test('is asked for as such, and cached apart from one that is not bound', async () => {
    const { authsec, stub } = createStubbedClient()
    const free = await authsec.getDelegationToken(request)
    const first = await authsec.getDelegationToken({ ...request, binding: 'tool' })
    const second = await authsec.getDelegationToken({ ...request, binding: 'tool' })
    expect(new Set([free.jti, first.jti, second.jti]).size).toBe(2)
    expect(second).toMatchObject({ jti: first.jti, fromCache: true })
    expect(Object.fromEntries(stub.requests.at(-1)?.form ?? [])).toMatchObject({
      tool: 'refund',
      bind: 'tool',
    })
    expect(await authsec.getDelegationToken({ ...request, binding: 'none' })).toMatchObject({ jti: free.jti })
  })
})

describe('a token bound to one call', () => {
  test('takes the arguments along to the server', async () => {
    const { authsec, stub } = createStubbedClient()
    await authsec.getDelegationToken(bound)
    const { form } = stub.requests.at(-1) as { form: URLSearchParams }
    expect(form.get('bind')).toBe('tool call')
    expect(JSON.parse(form.get('call') ?? '')).toEqual(call)
  })

  test.each<{ why: string; asked: DelegationRequest }>([
    { why: 'bound to a call', asked: bound },
    { why: 'good for one use', asked: { ...request, oneTime: true } },
  ])('is neither kept nor shared when it is $why', async ({ asked }) => {
    const { authsec, stub } = createStubbedClient()
    const parallel = await Promise.all([1, 2, 3].map(() => authsec.getDelegationToken(asked)))
    const later = await authsec.getDelegationToken(asked)
    expect(new Set([...parallel, later].map(({ jti }) => jti)).size).toBe(4)
    expect(authsec.peek(asked)).toBeUndefined()
    expect([stub.count('exchange'), authsec.stats().entries]).toEqual([4, 1])
  })

  test('is given up for its caller alone', async () => {
    const { authsec, stub } = createStubbedClient()
    await authsec.getDelegationToken()
    const gate = stub.hold()
    const controller = new AbortController()
    const leaving = authsec.getDelegationToken({ ...bound, signal: controller.signal })
    const staying = authsec.getDelegationToken(bound)
    controller.abort()
    await expect(leaving).rejects.toMatchObject({ name: 'AbortError' })
    gate.release()
    expect(await staying).toMatchObject({ fromCache: false })
  })

  test('goes with the client', async () => {
    const { authsec, stub } = createStubbedClient()
    await authsec.getDelegationToken()
    stub.hold()
    const waiting = authsec.getDelegationToken(bound)
    waiting.catch(() => undefined)
    await Promise.resolve()
    await authsec.close()
    await expect(waiting).rejects.toMatchObject({ code: 'closed' })
  })
})

describe('an answer that dropped a condition', () => {
  test.each<{ why: string; asked: DelegationRequest; bend: (claims: Body) => unknown }>([
    { why: 'no binding at all', asked: bound, bend: (claims) => delete claims['bind'] },
    { why: 'the tool alone', asked: bound, bend: (claims) => Object.assign(claims, { bind: ['tool'] }) },
    { why: 'no hash of the call', asked: bound, bend: (claims) => delete claims['call'] },
    {
      why: 'the hash of another call',
      asked: bound,
      bend: (claims) => Object.assign(claims, { call: { salt: 'A'.repeat(22), hash: 'B'.repeat(43) } }),
    },
    { why: 'another tool', asked: bound, bend: (claims) => Object.assign(claims, { tool: 'pay_out' }) },
    {
      why: 'any number of uses',
      asked: { ...request, oneTime: true },
      bend: (claims) => delete claims['one_time'],
    },
  ])('is thrown away: $why', async ({ asked, bend }) => {
    const { authsec, stub } = createStubbedClient()
    stub.bend.call = bend
    await expect(authsec.getDelegationToken(asked)).rejects.toMatchObject({ code: 'grant_widened' })
  })

  test('is thrown away when its type says nothing of bindings', async () => {
    const { authsec, stub } = createStubbedClient()
    stub.bend.call = (claims, body) => {
      // The stub chooses the type by the claims, so the token of another call stands in.
      const { bind: _bind, ...others } = claims
      Object.assign(body, {
        access_token: formatUnsignedJwt({ alg: 'ES256', typ: 'at+jwt' }, { ...others, bind: ['tool'] }),
      })
    }
    await expect(authsec.getDelegationToken({ ...request, binding: 'tool' })).rejects.toThrow(
      /type "at\+jwt"/,
    )
  })

  test.each<{ why: string; more: Body }>([
    { why: 'a call', more: { bind: ['tool', 'call'], call: { salt: 'A'.repeat(22), hash: 'B'.repeat(43) } } },
    { why: 'one use', more: { one_time: true } },
  ])('is refused as well when nobody asked for $why', async ({ more }) => {
    const { authsec, stub } = createStubbedClient()
    stub.bend.call = (claims) => Object.assign(claims, more)
    await expect(authsec.getDelegationToken(request)).rejects.toMatchObject({
      code: 'token_response_invalid',
    })
  })
})

describe('a server without bindings', () => {
  test.each<{ why: string; asked: DelegationRequest }>([
    { why: 'a call', asked: bound },
    { why: 'a tool', asked: { ...request, binding: 'tool' } },
    { why: 'one use', asked: { ...request, oneTime: true } },
  ])('never gets $why dropped: no call tokens', async ({ asked }) => {
    const { authsec, stub } = createStubbedClient({ callTokens: false })
    await expect(authsec.getDelegationToken(asked)).rejects.toMatchObject({ code: 'exchange_unsupported' })
    await authsec.getDelegationToken({ audience: BILLING, permissions: ['billing:read'] })
    await expect(authsec.getDelegationToken(asked)).rejects.toMatchObject({ code: 'exchange_unsupported' })
    expect(authsec.peek(asked)).toBeUndefined()
    expect(stub.count('exchange')).toBe(0)
  })

  test('is not asked for what it does not announce', async () => {
    const { authsec, stub } = createStubbedClient()
    stub.bend.metadata = (body) => Object.assign(body, { authsec_call_tokens: { bindings: ['tool'] } })
    await expect(authsec.getDelegationToken(bound)).rejects.toMatchObject({ code: 'exchange_unsupported' })
    expect(stub.count('exchange')).toBe(0)
    expect(await authsec.getDelegationToken({ ...request, binding: 'tool' })).toMatchObject({
      fromCache: false,
    })
  })
})
