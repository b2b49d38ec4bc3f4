import { inspect } from 'node:util'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { settle } from '../support/fake-clock.js'
import { jsonResponse, oauthError, refuseConnection, STUB_CLIENT_ID } from '../support/stub-authsec.js'
import { createStubbedClient } from '../support/stub-client.js'

const BILLING = 'https://billing.example'
const PROFILE = 'https://profile.example'
const request = { audience: BILLING, permissions: ['billing:read'] }

describe('getDelegationToken', () => {
  test.each([100, 1_000])('costs one pull and one exchange for %d cold parallel calls', async (calls) => {
    const { authsec, stub } = createStubbedClient()
    const tokens = await Promise.all(Array.from({ length: calls }, () => authsec.getDelegationToken(request)))
    expect(new Set(tokens.map(({ jti }) => jti))).toEqual(new Set(['call-1']))
    expect(stub.requests.map(({ endpoint }) => endpoint)).toEqual(['metadata', 'pull', 'exchange'])
  })

  test('costs one pull for cold parallel calls that want different tokens', async () => {
    const { authsec, stub } = createStubbedClient()
    await Promise.all([
      authsec.getDelegationToken(),
      authsec.getDelegationToken(request),
      authsec.getDelegationToken({ ...request, audience: PROFILE }),
    ])
    expect([stub.count('metadata'), stub.count('pull'), stub.count('exchange')]).toEqual([1, 1, 2])
  })

  test('answers from the cache and says so', async () => {
    const { authsec, stub } = createStubbedClient()
    const first = await authsec.getDelegationToken(request)
    const second = await authsec.getDelegationToken({
      permissions: ['billing:read', 'billing:read'],
      audience: BILLING,
    })
    expect(second).toMatchObject({ jti: first.jti, fromCache: true })
    expect(stub.count('exchange')).toBe(1)
    expect(await authsec.getDelegationToken()).toMatchObject({ jti: 'base-1', fromCache: true })
    expect(stub.count('pull')).toBe(1)
  })

  test.each([
    { why: 'a permission more', other: { audience: BILLING, permissions: ['billing:read', 'profile:read'] } },
    { why: 'everything that remains', other: { audience: BILLING } },
    { why: 'another audience', other: { audience: PROFILE, permissions: ['billing:read'] } },
    {
      why: 'a slash at the end of the audience',
      other: { audience: `${BILLING}/`, permissions: ['billing:read'] },
    },
    { why: 'a tool', other: { ...request, tool: 'get_bill' } },
    { why: 'a lifetime', other: { ...request, ttlSeconds: 60 } },
  ])('never answers from a token for something else: $why', async ({ other }) => {
    const { authsec, stub } = createStubbedClient()
    const first = await authsec.getDelegationToken(request)
    const second = await authsec.getDelegationToken(other)
    expect(second.jti).not.toBe(first.jti)
    expect(stub.count('exchange')).toBe(2)
  })

  test('reports the base token and the call token that it gets, each once', async () => {
    const { authsec, clock, events } = createStubbedClient()
    const token = await authsec.getDelegationToken(request)
    await authsec.getDelegationToken(request)
    expect(events).toEqual([
      { type: 'token.pulled', jti: 'base-1', expiresAt: new Date(clock.wall() + 3_600_000) },
      { type: 'token.exchanged', jti: 'call-1', ...request, auditId: 'audit-1', expiresAt: token.expiresAt },
    ])
  })

  test('sees what the caller has changed in the request since', async () => {
    const { authsec } = createStubbedClient()
    const changing = { audience: BILLING, permissions: ['billing:read'] }
    const first = await authsec.getDelegationToken(changing)
    expect(await authsec.getDelegationToken(changing)).toMatchObject({ jti: first.jti, fromCache: true })
    changing.permissions.push('profile:read')
    expect(authsec.peek(changing)).toBeUndefined()
    expect((await authsec.getDelegationToken(changing)).jti).not.toBe(first.jti)
  })

  test('rejects, rather than throws, what is not a request', async () => {
    const { authsec, stub } = createStubbedClient()
    await expect(authsec.getDelegationToken({ audiense: BILLING } as never)).rejects.toThrow(/"audiense"/)
    await expect(authsec.getDelegationToken({ permissions: ['billing:read'] })).rejects.toMatchObject({
      code: 'request_invalid',
    })
    await expect(authsec.getDelegationToken({ ...request, call: {} })).rejects.toMatchObject({
      code: 'request_invalid',
    })
    expect(stub.requests).toHaveLength(0)
  })

  test('refuses a condition it cannot keep also where a token without it is cached', async () => {
    const { authsec } = createStubbedClient()
    await authsec.getDelegationToken(request)
    await expect(authsec.getDelegationToken({ ...request, binding: 'call' })).rejects.toMatchObject({
      code: 'request_invalid',
    })
    await expect(
      authsec.getDelegationToken({ ...request, permissions: null } as never),
    ).rejects.toMatchObject({ code: 'request_invalid' })
  })

  test('does not remember a failure of the metadata', async () => {
    const { authsec, stub } = createStubbedClient()
    stub.script('metadata', () => jsonResponse(500, {}))
    await expect(authsec.getDelegationToken(request)).rejects.toMatchObject({ code: 'server_error' })
    expect(await authsec.getDelegationToken(request)).toMatchObject({ jti: 'call-1' })
    expect(stub.count('metadata')).toBe(2)
  })

  test('is done after five seconds, whatever the server does', async () => {
    const { authsec, stub, clock } = createStubbedClient()
    stub.hold()
    const asked = authsec.getDelegationToken(request)
    asked.catch(() => undefined)
    await clock.advance(5_000)
    await expect(asked).rejects.toMatchObject({ code: 'timed_out' })
    expect(clock.keptAliveBy).toBe(0)
  })
})

describe('a base token that died', () => {
  test('is pulled once and the exchange repeated once, however many noticed', async () => {
    const { authsec, stub } = createStubbedClient()
    await authsec.getDelegationToken()
    stub.regrant()
    const tokens = await Promise.all(Array.from({ length: 50 }, () => authsec.getDelegationToken(request)))
    expect(new Set(tokens.map(({ jti }) => jti)).size).toBe(1)
    expect([stub.count('pull'), stub.count('exchange')]).toEqual([2, 2])
    expect(authsec.peek()?.jti).toBe('base-2')
  })

  test('takes the tokens made from it along', async () => {
    const { authsec, stub } = createStubbedClient()
    await authsec.getDelegationToken(request)
    stub.regrant()
    await authsec.getDelegationToken({ forceRefresh: true })
    expect(authsec.peek(request)).toBeUndefined()
    expect(authsec.stats().entries).toBe(1)
  })

  test('is asked for twice and not for ever', async () => {
    const { authsec, stub } = createStubbedClient()
    const dead = () => oauthError(400, 'invalid_grant', 'the session of the user has ended')
    stub.script('exchange', dead, dead)
    await expect(authsec.getDelegationToken(request)).rejects.toMatchObject({ code: 'invalid_grant' })
    expect([stub.count('pull'), stub.count('exchange')]).toEqual([2, 2])
  })

  test('is missed where a renewal behind the callers finds out', async () => {
    const { authsec, stub, clock } = createStubbedClient()
    await authsec.getDelegationToken(request)
    stub.regrant()
    await clock.advance(50_000)
    await authsec.getDelegationToken(request)
    await settle()
    expect(authsec.peek(request)).toBeUndefined()
    expect(await authsec.getDelegationToken(request)).toMatchObject({ jti: 'call-2', fromCache: false })
  })
})

describe('a server that issues no call tokens', () => {
  test('gets the base token used, and that is said once', async () => {
    const { authsec, stub, events } = createStubbedClient({ callTokens: false })
    expect(await authsec.getDelegationToken(request)).toMatchObject({ jti: 'base-1' })
    expect(await authsec.getDelegationToken({ audience: PROFILE })).toMatchObject({
      jti: 'base-1',
      fromCache: true,
    })
    expect(authsec.peek(request)).toMatchObject({ jti: 'base-1' })
    expect(events.filter(({ type }) => type === 'exchange.unsupported')).toEqual([
      { type: 'exchange.unsupported', audience: BILLING },
    ])
    expect([stub.count('metadata'), stub.count('pull'), stub.count('exchange')]).toEqual([1, 1, 0])
  })

  test('is asked once more after a minute, and its call tokens are used as soon as it announces them', async () => {
    const { authsec, stub, clock } = createStubbedClient()
    stub.script('metadata', () => new Response('not found', { status: 404 }))
    expect(await authsec.getDelegationToken(request)).toMatchObject({ jti: 'base-1' })
    await clock.advance(59_999)
    expect(await authsec.getDelegationToken(request)).toMatchObject({ jti: 'base-1', fromCache: true })
    await clock.advance(1)
    expect(await authsec.getDelegationToken(request)).toMatchObject({ jti: 'call-1' })
    expect(authsec.peek(request)).toMatchObject({ jti: 'call-1' })
    expect([stub.count('metadata'), stub.count('pull')]).toEqual([2, 1])
  })

  test('is known to issue them as soon as one caller has read it, also while another waits for the base token', async () => {
    const { authsec, stub, clock } = createStubbedClient()
    stub.script('metadata', () => new Response('not found', { status: 404 }))
    await authsec.getDelegationToken(request)
    await clock.advance(59_999)
    let release = () => {}
    const gate = new Promise<void>((resolve) => {
      release = resolve
    })
    stub.script('pull', async (asked) => {
      await gate
      return stub.answer(asked)
    })
    const settling = authsec.getDelegationToken({ ...request, forceRefresh: true })
    await settle()
    await clock.advance(1)
    expect(await authsec.getDelegationToken(request)).toMatchObject({ jti: 'call-1' })
    release()
    expect(await settling).toMatchObject({ jti: 'base-1' })
    expect(await authsec.getDelegationToken({ ...request, tool: 'other' })).toMatchObject({ jti: 'call-2' })
  })

  test('still refuses what the base token does not permit', async () => {
    const { authsec } = createStubbedClient({ callTokens: false })
    const beyond = { audience: BILLING, permissions: ['billing:refund'] }
    await expect(authsec.getDelegationToken(beyond)).rejects.toMatchObject({ code: 'invalid_scope' })
    await authsec.getDelegationToken(request)
    expect(authsec.peek(beyond)).toBeUndefined()
    await expect(authsec.getDelegationToken(beyond)).rejects.toMatchObject({ code: 'invalid_scope' })
  })

  test.each([
    { why: 'narrowing is required', options: { narrow: 'required' as const } },
    { why: 'the transport is exchange', options: { transport: 'exchange' as const } },
  ])('is refused when $why', async ({ options }) => {
    const { authsec, stub } = createStubbedClient({ callTokens: false, ...options })
    stub.bend.metadata = (body) => delete body['token_endpoint']
    await expect(authsec.getDelegationToken(request)).rejects.toMatchObject({ code: 'exchange_unsupported' })
    expect(await authsec.getDelegationToken()).toMatchObject({ jti: 'base-1' })
  })

  test('is asked anyway when the transport is exchange and there is an endpoint', async () => {
    const { authsec } = createStubbedClient({ callTokens: false, transport: 'exchange' })
    expect(await authsec.getDelegationToken(request)).toMatchObject({ jti: 'call-1' })
  })
})

test('transport pull never looks for anything but the base token', async () => {
  const { authsec, stub } = createStubbedClient({ transport: 'pull' })
  expect(await authsec.getDelegationToken(request)).toMatchObject({ jti: 'base-1' })
  expect(authsec.peek(request)).toMatchObject({ jti: 'base-1', fromCache: true })
  expect(stub.requests.map(({ endpoint }) => endpoint)).toEqual(['pull'])
})

test('transport pull with narrowing required asks nobody', async () => {
  const { authsec, stub } = createStubbedClient({ transport: 'pull', narrow: 'required' })
  await expect(authsec.getDelegationToken(request)).rejects.toMatchObject({ code: 'exchange_unsupported' })
  expect(stub.requests).toHaveLength(0)
})

describe('aborting', () => {
  test('rejects one of two callers and serves the other', async () => {
    const { authsec, stub } = createStubbedClient()
    const gate = stub.hold()
    const controller = new AbortController()
    const leaving = authsec.getDelegationToken({ ...request, signal: controller.signal })
    const staying = authsec.getDelegationToken({ ...request, signal: new AbortController().signal })
    await settle()
    controller.abort()
    await expect(leaving).rejects.toMatchObject({ name: 'AbortError' })
    gate.release()
    expect(await staying).toMatchObject({ jti: 'call-1' })
    expect([stub.count('pull'), stub.count('exchange')]).toEqual([1, 1])
  })

  test('by all callers stops the requests', async () => {
    const { authsec, stub, clock } = createStubbedClient()
    stub.hold()
    const controller = new AbortController()
    const asked = [1, 2].map(() => authsec.getDelegationToken({ ...request, signal: controller.signal }))
    await settle()
    controller.abort()
    await Promise.allSettled(asked)
    expect(stub.requests.map(({ signal }) => signal.aborted)).toEqual([true, true])
    expect(authsec.stats().underWay).toBe(0)
    expect(clock.keptAliveBy).toBe(0)
  })

  test('before the call sends nothing, also where the token is cached', async () => {
    const { authsec, stub } = createStubbedClient()
    const signal = AbortSignal.abort()
    await expect(authsec.getDelegationToken({ ...request, signal })).rejects.toMatchObject({
      name: 'AbortError',
    })
    expect(stub.requests).toHaveLength(0)
    await authsec.getDelegationToken(request)
    await expect(authsec.getDelegationToken({ ...request, signal })).rejects.toMatchObject({
      name: 'AbortError',
    })
  })
})

describe('forceRefresh', () => {
  test('fetches a new token where a good one is cached, and the new one is kept', async () => {
    const { authsec } = createStubbedClient()
    await authsec.getDelegationToken(request)
    expect(await authsec.getDelegationToken({ ...request, forceRefresh: true })).toMatchObject({
      jti: 'call-2',
      fromCache: false,
    })
    expect(authsec.peek(request)).toMatchObject({ jti: 'call-2' })
  })

  test('does not take the answer to an older question', async () => {
    const { authsec, stub } = createStubbedClient()
    await authsec.getDelegationToken()
    const gate = stub.hold()
    const older = authsec.getDelegationToken(request)
    await settle()
    gate.release()
    await settle()
    const hold = stub.hold()
    const first = authsec.getDelegationToken({ ...request, forceRefresh: true })
    await settle()
    const second = authsec.getDelegationToken({ ...request, forceRefresh: true })
    await settle()
    hold.release()
    expect(new Set([(await older).jti, (await first).jti, (await second).jti]).size).toBe(3)
    expect(authsec.peek(request)?.jti).toBe((await second).jti)
  })

  test('that is refused takes the cached token along', async () => {
    const { authsec, stub } = createStubbedClient()
    await authsec.getDelegationToken(request)
    stub.script('exchange', () => oauthError(403, 'access_denied', 'revoked'))
    await expect(authsec.getDelegationToken({ ...request, forceRefresh: true })).rejects.toMatchObject({
      code: 'access_denied',
    })
    expect(authsec.peek(request)).toBeUndefined()
  })

  test('that cannot be asked does not take the cached token for an answer', async () => {
    const { authsec, stub, clock } = createStubbedClient({ http: { maxAttempts: 1 } })
    await authsec.getDelegationToken(request)
    stub.script('exchange', refuseConnection)
    await expect(authsec.getDelegationToken({ ...request, forceRefresh: true })).rejects.toMatchObject({
      code: 'network',
    })
    await clock.advance(1)
    expect(authsec.peek(request)).toMatchObject({ jti: 'call-1' })
  })
})

describe('invalidate', () => {
  test('drops the token that was rejected', async () => {
    const { authsec } = createStubbedClient()
    authsec.invalidate(await authsec.getDelegationToken(request))
    expect(authsec.peek(request)).toBeUndefined()
    expect(await authsec.getDelegationToken(request)).toMatchObject({ jti: 'call-2' })
  })

  test('costs one exchange when fifty callers learn it of one token', async () => {
    const { authsec, stub } = createStubbedClient()
    const rejected = await authsec.getDelegationToken(request)
    await Promise.all(
      Array.from({ length: 50 }, async () => {
        authsec.invalidate(rejected)
        return authsec.getDelegationToken(request)
      }),
    )
    expect(stub.count('exchange')).toBe(2)
  })

  test('leaves the successor alone when it comes late', async () => {
    const { authsec, stub } = createStubbedClient()
    const rejected = await authsec.getDelegationToken(request)
    const successor = await authsec.getDelegationToken({ ...request, forceRefresh: true })
    authsec.invalidate(rejected)
    expect(authsec.peek(request)?.jti).toBe(successor.jti)
    expect(stub.count('exchange')).toBe(2)
  })

  test('keeps nothing that was asked for before it', async () => {
    const { authsec, stub, clock } = createStubbedClient()
    const rejected = await authsec.getDelegationToken(request)
    await clock.advance(58_000)
    const gate = stub.hold()
    const waiting = authsec.getDelegationToken(request)
    await settle()
    authsec.invalidate(rejected)
    gate.release()
    expect(await waiting).toMatchObject({ jti: 'call-2' })
    expect(authsec.peek(request)).toBeUndefined()
  })

  test('of the base token takes everything made from it along', async () => {
    const { authsec, stub } = createStubbedClient()
    await authsec.getDelegationToken(request)
    authsec.invalidate(await authsec.getDelegationToken())
    expect(authsec.stats().entries).toBe(0)
    await authsec.getDelegationToken(request)
    expect([stub.count('pull'), stub.count('exchange')]).toEqual([2, 2])
  })

  test('of a base token that is the newest there is asks for another every 30 s', async () => {
    const { authsec, stub, clock } = createStubbedClient({ transport: 'pull' })
    const reject = async () => authsec.invalidate(await authsec.getDelegationToken(request))
    for (let round = 0; round < 5; round++) {
      await reject()
      await clock.advance(1_000)
    }
    expect(stub.count('pull')).toBe(2)
    await clock.advance(30_000)
    stub.regrant()
    await reject()
    expect(await authsec.getDelegationToken(request)).toMatchObject({ jti: 'base-2' })
    expect(stub.count('pull')).toBe(3)
  })

  test('of a token of another client does nothing', async () => {
    const one = createStubbedClient()
    const other = createStubbedClient()
    await one.authsec.getDelegationToken(request)
    one.authsec.invalidate(await other.authsec.getDelegationToken(request))
    expect(one.authsec.peek(request)).toBeDefined()
  })
})

describe('minValidityMs', () => {
  test('replaces a token that has less left', async () => {
    const { authsec, clock } = createStubbedClient()
    await authsec.getDelegationToken(request)
    await clock.advance(20_000)
    expect(authsec.peek({ ...request, minValidityMs: 41_000 })).toBeUndefined()
    expect(await authsec.getDelegationToken({ ...request, minValidityMs: 39_000 })).toMatchObject({
      jti: 'call-1',
    })
    expect(await authsec.getDelegationToken({ ...request, minValidityMs: 41_000 })).toMatchObject({
      jti: 'call-2',
    })
  })

  test('is refused without a question where no token can live that long', async () => {
    const { authsec, stub, clock } = createStubbedClient()
    await authsec.getDelegationToken(request)
    await clock.advance(1_000)
    await expect(authsec.getDelegationToken({ ...request, minValidityMs: 59_001 })).rejects.toMatchObject({
      code: 'request_invalid',
    })
    expect(stub.count('exchange')).toBe(1)
  })

  test('is refused where the new token does not live that long', async () => {
    const { authsec } = createStubbedClient()
    await expect(authsec.getDelegationToken({ ...request, minValidityMs: 60_000 })).rejects.toMatchObject({
      code: 'request_invalid',
    })
  })
})

describe('peek', () => {
  test('never asks anybody', async () => {
    const { authsec, stub, clock } = createStubbedClient()
    expect(authsec.peek()).toBeUndefined()
    expect(authsec.peek(request)).toBeUndefined()
    await authsec.getDelegationToken(request)
    const sent = stub.requests.length
    await clock.advance(50_000)
    expect(authsec.peek(request)).toMatchObject({ jti: 'call-1', fromCache: true })
    await settle()
    expect(stub.requests).toHaveLength(sent)
  })
})

describe('stats', () => {
  test('counts what happened', async () => {
    const { authsec } = createStubbedClient()
    await authsec.getDelegationToken(request)
    await authsec.getDelegationToken(request)
    await authsec.getDelegationToken({ ...request, audience: PROFILE })
    expect(authsec.stats()).toEqual({
      entries: 3,
      hits: 1,
      misses: 2,
      evictions: 0,
      pulls: 1,
      exchanges: 2,
      underWay: 0,
      queued: 0,
      denials: 0,
    })
  })

  test('keeps 1,000 call tokens by default, and fewer when told to', async () => {
    const { authsec } = createStubbedClient({ cache: { capacity: 2 } })
    await authsec.getDelegationToken({ ...request, tool: 'a' })
    await authsec.getDelegationToken({ ...request, tool: 'b' })
    await authsec.getDelegationToken({ ...request, tool: 'c' })
    expect(authsec.stats()).toMatchObject({ entries: 3, evictions: 1 })
    expect(authsec.peek({ ...request, tool: 'a' })).toBeUndefined()
  })
})

describe('close', () => {
  test('rejects those who wait and those who come later, and leaves nothing behind', async () => {
    const { authsec, stub, clock } = createStubbedClient()
    await authsec.getDelegationToken(request)
    stub.hold()
    const waiting = authsec.getDelegationToken({ ...request, tool: 'get_bill' })
    waiting.catch(() => undefined)
    await settle()
    await authsec.close()
    await expect(waiting).rejects.toMatchObject({ code: 'closed' })
    await expect(authsec.getDelegationToken()).rejects.toMatchObject({ code: 'closed' })
    expect(authsec.peek(request)).toBeUndefined()
    expect(authsec.stats()).toMatchObject({ entries: 0, underWay: 0 })
    await settle()
    expect(clock.keptAliveBy).toBe(0)
  })

  test('between two steps of one call begins no third', async () => {
    const { authsec, stub } = createStubbedClient()
    const gate = stub.hold()
    const waiting = authsec.getDelegationToken(request)
    waiting.catch(() => undefined)
    await settle()
    gate.release()
    await authsec.close()
    await expect(waiting).rejects.toMatchObject({ code: 'closed' })
    await settle()
    expect(stub.count('exchange')).toBe(0)
    expect(authsec.stats().entries).toBe(0)
  })
})

describe('secrets', () => {
  test('are in no inspection, event or error', async () => {
    const { authsec, stub, events } = createStubbedClient()
    const token = await authsec.getDelegationToken(request)
    const base = await authsec.getDelegationToken()
    const echo = `cannot use ${base.reveal()}`
    stub.script('exchange', () => oauthError(400, 'invalid_scope', echo))
    const error = await authsec.getDelegationToken({ audience: PROFILE }).catch((caught: unknown) => caught)
    const shown = [authsec, events, error].map((value) => inspect(value, { depth: null, showHidden: true }))
    const text = [...shown, JSON.stringify([authsec, events, error, token])].join()
    expect(text).toContain(STUB_CLIENT_ID)
    expect(text).not.toContain(token.reveal())
    expect(text).not.toContain(base.reveal())
    expect(text).not.toContain('eyJ')
  })

  test('an observer that fails disturbs nobody', async () => {
    const { authsec } = createStubbedClient({
      onEvent() {
        throw new Error('the observer is broken')
      },
    })
    expect(await authsec.getDelegationToken(request)).toMatchObject({ jti: 'call-1' })
  })
})

test('never hands out an expired token or one for something else, whatever time and the server do', async () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 70_000 }) }),
    fc.record({
      do: fc.constant('ask' as const),
      tool: fc.constantFrom('a', 'b', undefined),
      audience: fc.constantFrom(BILLING, PROFILE),
    }),
    fc.record({ do: fc.constant('set wall' as const), ms: fc.integer({ min: -3_600_000, max: 600_000 }) }),
    fc.record({ do: fc.constant('suspend' as const), ms: fc.integer({ min: 1, max: 600_000 }) }),
    fc.record({ do: fc.constant('outage' as const) }),
    fc.record({ do: fc.constant('regrant' as const) }),
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      const { authsec, stub, clock } = createStubbedClient({ http: { maxAttempts: 1 } })
      // The truth of the stub, by a clock that nobody sets: when was what issued, and how long did it live?
      const born = new Map<string, number>()
      let slept = 0
      let setBack = 0
      const age = () => clock.monotonic() + slept
      stub.bend.call = (claims) => born.set(String(claims['jti']), age())
      for (const next of steps) {
        if (next.do === 'wait') await clock.advance(next.ms)
        if (next.do === 'set wall') {
          clock.setWall(clock.wall() + next.ms)
          setBack += Math.max(0, -next.ms)
        }
        if (next.do === 'suspend') {
          clock.suspend(next.ms)
          slept += next.ms
        }
        if (next.do === 'outage') stub.script('exchange', refuseConnection)
        if (next.do === 'regrant') stub.regrant()
        if (next.do === 'ask') {
          const { tool, audience } = next
          const asked = { audience, permissions: ['billing:read'], tool }
          const token = await authsec.getDelegationToken(asked).catch(() => undefined)
          if (token === undefined) continue
          expect(token.audience).toEqual([audience])
          expect(token.permissions).toEqual(['billing:read'])
          // What one clock misses the other sees. Only a clock that stood still while the other was set back
          // leaves nobody to see it, and then for no longer than the smaller of the two.
          const unseen = Math.min(slept, setBack)
          expect(age() - (born.get(token.jti) as number)).toBeLessThan(60_000 + unseen)
        }
      }
      await settle()
      await authsec.close()
    }),
    { numRuns: 150 },
  )
})
