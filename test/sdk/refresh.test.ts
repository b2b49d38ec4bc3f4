import { describe, expect, test } from 'vitest'
import { AuthsecError } from '../../src/core/errors.js'
import { settle } from '../support/fake-clock.js'
import { jsonResponse, oauthError, refuseConnection } from '../support/stub-authsec.js'
import { createStubbedClient } from '../support/stub-client.js'
import { formatUnsignedJwt } from '../support/unsigned-jwt.js'

const request = { audience: 'https://billing.example', permissions: ['billing:read'] }
const once = { http: { maxAttempts: 1 } }

describe('a call token of 60 s', () => {
  test('is simply used for 45 s', async () => {
    const { authsec, stub, clock } = createStubbedClient()
    await authsec.getDelegationToken(request)
    await clock.advance(44_999)
    await authsec.getDelegationToken(request)
    await settle()
    expect(stub.count('exchange')).toBe(1)
  })

  test('is renewed once behind the callers in its last 15 s', async () => {
    const { authsec, stub, clock } = createStubbedClient()
    await authsec.getDelegationToken(request)
    await clock.advance(45_000)
    const tokens = await Promise.all([1, 2, 3].map(() => authsec.getDelegationToken(request)))
    expect(tokens.map(({ jti }) => jti)).toEqual(['call-1', 'call-1', 'call-1'])
    await settle()
    expect(stub.count('exchange')).toBe(2)
    expect(authsec.peek(request)).toMatchObject({ jti: 'call-2' })
  })

  test('is waited for in its last 3 s', async () => {
    const { authsec, clock } = createStubbedClient()
    await authsec.getDelegationToken(request)
    await clock.advance(57_000)
    expect(authsec.peek(request)).toBeUndefined()
    expect(await authsec.getDelegationToken(request)).toMatchObject({ jti: 'call-2', fromCache: false })
  })

  test('costs at most 15 exchanges for 600 calls at one a second', async () => {
    const { authsec, stub, clock } = createStubbedClient()
    for (let second = 0; second < 600; second++) {
      await authsec.getDelegationToken(request)
      await clock.advance(1_000)
    }
    expect(stub.count('exchange')).toBeLessThanOrEqual(15)
  })
})

test.each([
  { life: 4, why: 'shorter than 5 s is never kept', exchanges: 2 },
  { life: 5, why: 'of 5 s is kept', exchanges: 1 },
])('a token $why', async ({ life, exchanges }) => {
  const { authsec, stub } = createStubbedClient()
  const short = { ...request, ttlSeconds: life }
  await Promise.all([authsec.getDelegationToken(short), authsec.getDelegationToken(short)])
  await authsec.getDelegationToken(short)
  expect(stub.count('exchange')).toBe(exchanges)
})

test('a token is kept no longer than maxTtlSeconds, whatever it says', async () => {
  const { authsec, stub, clock } = createStubbedClient({ cache: { maxTtlSeconds: 20 } })
  await authsec.getDelegationToken(request)
  await clock.advance(20_000)
  await authsec.getDelegationToken(request)
  expect(stub.count('exchange')).toBe(2)
})

describe('a renewal that fails behind the callers', () => {
  test('is reported, and tried again after a second and not before', async () => {
    const { authsec, stub, clock, events } = createStubbedClient(once)
    await authsec.getDelegationToken(request)
    stub.script('exchange', refuseConnection)
    await clock.advance(45_000)
    expect(await authsec.getDelegationToken(request)).toMatchObject({ jti: 'call-1' })
    await clock.advance(999)
    await authsec.getDelegationToken(request)
    await settle()
    expect(stub.count('exchange')).toBe(2)
    expect(events).toContainEqual(
      expect.objectContaining({ type: 'token.refresh_failed', jti: 'call-1', code: 'network' }),
    )
    await clock.advance(1)
    await authsec.getDelegationToken(request)
    await settle()
    expect(authsec.peek(request)).toMatchObject({ jti: 'call-2' })
  })

  test('is tried again when the server says, if that is later', async () => {
    const { authsec, stub, clock } = createStubbedClient(once)
    await authsec.getDelegationToken(request)
    stub.script('exchange', () => jsonResponse(429, {}, { 'retry-after': '8' }))
    await clock.advance(45_000)
    await authsec.getDelegationToken(request)
    await clock.advance(7_999)
    await authsec.getDelegationToken(request)
    expect(stub.count('exchange')).toBe(2)
    await clock.advance(1)
    await authsec.getDelegationToken(request)
    await settle()
    expect(stub.count('exchange')).toBe(3)
  })

  test('with a denial takes the token along', async () => {
    const { authsec, stub, clock } = createStubbedClient()
    await authsec.getDelegationToken(request)
    const denied = () => oauthError(403, 'access_denied', 'the role was taken away')
    stub.script('exchange', denied, denied)
    await clock.advance(45_000)
    await authsec.getDelegationToken(request)
    await settle()
    expect(authsec.peek(request)).toBeUndefined()
    await expect(authsec.getDelegationToken(request)).rejects.toMatchObject({ code: 'access_denied' })
  })
})

describe('an outage', () => {
  test('does not take away a token with more than a second left, and is reported', async () => {
    const { authsec, stub, clock, events } = createStubbedClient(once)
    await authsec.getDelegationToken(request)
    await clock.advance(58_000)
    stub.script('exchange', refuseConnection)
    expect(await authsec.getDelegationToken(request)).toMatchObject({ jti: 'call-1' })
    expect(events).toContainEqual({ type: 'token.stale_served', jti: 'call-1', code: 'network' })
  })

  test.each<{ where: string; give: () => Promise<string>; code: string }>([
    { where: 'hangs', give: () => new Promise(() => {}), code: 'timed_out' },
    {
      where: 'fails for now',
      give: () => Promise.reject(new AuthsecError('network', 'the login is away')),
      code: 'network',
    },
  ])('is also one where the function that gives the token of a user $where', async ({ give, code }) => {
    const { authsec, clock, events } = createStubbedClient(once)
    const bob = formatUnsignedJwt({ alg: 'RS256', typ: 'JWT' }, { sub: 'user-bob' })
    const program = { give: () => Promise.resolve(bob) }
    const asked = { ...request, subject: authsec.subject(() => program.give()), ttlSeconds: 300 }
    const { jti } = await authsec.getDelegationToken(asked)
    program.give = give
    await clock.advance(291_500)
    const asking = authsec.getDelegationToken(asked)
    await clock.advance(5_000)
    await expect(asking).resolves.toMatchObject({ jti })
    expect(events).toContainEqual({ type: 'token.stale_served', jti, code })

    const last = [{ forceRefresh: true }, { oneTime: true }, { minValidityMs: 4_000 }].map((other) =>
      authsec.getDelegationToken({ ...asked, ...other }),
    )
    const refused = expect(Promise.allSettled(last)).resolves.toMatchObject(
      last.map(() => ({ status: 'rejected', reason: { code } })),
    )
    await clock.advance(5_000)
    await refused
  })

  test('is none where the function that gives the token of a user refuses', async () => {
    const { authsec, clock } = createStubbedClient(once)
    const bob = formatUnsignedJwt({ alg: 'RS256', typ: 'JWT' }, { sub: 'user-bob' })
    const program = { give: () => Promise.resolve(bob) }
    const asked = { ...request, subject: authsec.subject(() => program.give()) }
    await authsec.getDelegationToken(asked)
    program.give = () => Promise.reject(new TypeError('bob has signed out'))
    await clock.advance(58_000)
    await expect(authsec.getDelegationToken(asked)).rejects.toThrow('bob has signed out')
  })

  test.each([
    { why: 'a second left', advance: 59_000, asked: request },
    { why: 'less left than the caller needs', advance: 55_000, asked: { ...request, minValidityMs: 6_000 } },
    { why: 'nothing left', advance: 60_000, asked: request },
  ])('does not give out a token with $why', async ({ advance, asked }) => {
    const { authsec, stub, clock } = createStubbedClient(once)
    await authsec.getDelegationToken(request)
    await clock.advance(advance)
    stub.script('exchange', refuseConnection, refuseConnection)
    await expect(authsec.getDelegationToken(asked)).rejects.toMatchObject({ code: 'network' })
  })

  test('is no excuse for a refusal', async () => {
    const { authsec, stub, clock } = createStubbedClient()
    await authsec.getDelegationToken(request)
    await clock.advance(58_000)
    stub.script('exchange', () => oauthError(400, 'invalid_scope', 'no longer'))
    await expect(authsec.getDelegationToken(request)).rejects.toMatchObject({ code: 'invalid_scope' })
  })
})

describe('the base token', () => {
  test('is pulled again in its last tenth, at most every 30 s, and kept while it is the same', async () => {
    const { authsec, stub, clock } = createStubbedClient()
    await authsec.getDelegationToken()
    await clock.advance(3_239_000)
    await authsec.getDelegationToken()
    await settle()
    expect(stub.count('pull')).toBe(1)
    await clock.advance(1_000)
    await authsec.getDelegationToken()
    await settle()
    expect(stub.count('pull')).toBe(2)
    await clock.advance(29_999)
    await authsec.getDelegationToken()
    await settle()
    expect(stub.count('pull')).toBe(2)
    await clock.advance(1)
    expect(await authsec.getDelegationToken()).toMatchObject({ jti: 'base-1' })
    await settle()
    expect(stub.count('pull')).toBe(3)
  })

  test('is replaced behind the callers when there is a new one', async () => {
    const { authsec, stub, clock } = createStubbedClient()
    await authsec.getDelegationToken()
    await clock.advance(3_300_000)
    stub.regrant()
    expect(await authsec.getDelegationToken()).toMatchObject({ jti: 'base-1' })
    await settle()
    expect(authsec.peek()).toMatchObject({ jti: 'base-2' })
  })

  test('is not handed out after its end, however often the server repeats it', async () => {
    const { authsec, clock } = createStubbedClient()
    await authsec.getDelegationToken()
    await clock.advance(3_600_000)
    await expect(authsec.getDelegationToken()).rejects.toMatchObject({ code: 'delegation_expired' })
    expect(authsec.peek()).toBeUndefined()
  })

  test('that was revoked is dropped with everything made from it when the renewal says so', async () => {
    const { authsec, stub, clock } = createStubbedClient()
    await authsec.getDelegationToken()
    await clock.advance(3_300_000)
    await authsec.getDelegationToken({ ...request, ttlSeconds: 300 })
    stub.script('pull', () => jsonResponse(404, { error: 'No active delegation token found' }))
    await clock.advance(30_000)
    await authsec.getDelegationToken()
    await settle()
    expect(authsec.stats().entries).toBe(0)
  })
})

describe('a clock that jumps', () => {
  test('an hour back makes no token live longer', async () => {
    const { authsec, clock } = createStubbedClient()
    await authsec.getDelegationToken(request)
    clock.setWall(clock.wall() - 3_600_000)
    await clock.advance(60_000)
    expect(authsec.peek(request)).toBeUndefined()
  })

  test('an hour forward costs a new token and nothing else', async () => {
    const { authsec, stub, clock } = createStubbedClient()
    stub.bend.base = (claims) => Object.assign(claims, { exp: (claims['iat'] as number) + 86_400 })
    await authsec.getDelegationToken(request)
    clock.setWall(clock.wall() + 3_600_000)
    expect(await authsec.getDelegationToken(request)).toMatchObject({ jti: 'call-2' })
  })

  test('because the machine slept ends what ended meanwhile', async () => {
    const { authsec, clock } = createStubbedClient()
    await authsec.getDelegationToken(request)
    clock.suspend(61_000)
    expect(authsec.peek(request)).toBeUndefined()
  })
})

describe('a life beyond what is kept', () => {
  const long = (seconds: number) => (claims: Record<string, unknown>, body: Record<string, unknown>) => {
    Object.assign(claims, { exp: (claims['iat'] as number) + seconds })
    Object.assign(body, { expires_in: seconds })
  }

  test('is reported once', async () => {
    const { authsec, stub, events } = createStubbedClient()
    stub.bend.call = long(1_000)
    await authsec.getDelegationToken(request)
    await authsec.getDelegationToken({ ...request, tool: 'another' })
    expect(events.filter(({ type }) => type === 'token.long_lived')).toEqual([
      { type: 'token.long_lived', jti: 'call-1', seconds: 1_000 },
    ])
  })

  test.each([
    { strictTtl: true, seconds: 3_601, outcome: { code: 'token_response_invalid' } },
    { strictTtl: true, seconds: 3_600, outcome: { jti: 'call-1' } },
    { strictTtl: false, seconds: 3_601, outcome: { jti: 'call-1' } },
  ])('of $seconds s is $outcome where strictTtl is $strictTtl', async ({ strictTtl, seconds, outcome }) => {
    const { authsec, stub } = createStubbedClient({ cache: { strictTtl } })
    stub.bend.base = (claims) => Object.assign(claims, { exp: (claims['iat'] as number) + 86_400 })
    stub.bend.call = long(seconds)
    const answer = await authsec.getDelegationToken(request).catch((error: unknown) => error)
    expect(answer).toMatchObject(outcome)
  })
})
