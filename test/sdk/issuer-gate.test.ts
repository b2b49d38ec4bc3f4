import { describe, expect, test } from 'vitest'
import { createGatedHttp } from '../../src/sdk/issuer-gate.js'
import { createFakeClock, settle } from '../support/fake-clock.js'
import { jsonResponse, oauthError, refuseConnection } from '../support/stub-authsec.js'
import { createStubbedClient } from '../support/stub-client.js'

const request = { audience: 'https://billing.example', permissions: ['billing:read'] }
const once = { http: { maxAttempts: 1 } }

/** A client whose base token is there, so that what follows is exchanges alone. */
async function createWarmClient(options: Parameters<typeof createStubbedClient>[0] = once) {
  const stubbed = createStubbedClient(options)
  await stubbed.authsec.getDelegationToken(request)
  return stubbed
}

type Warm = Awaited<ReturnType<typeof createWarmClient>>

/** Fails as often as it takes, each time for another token. */
async function failTimes({ authsec, stub }: Warm, times: number): Promise<void> {
  for (let index = 0; index < times; index++) {
    stub.script('exchange', refuseConnection)
    const asked = authsec.getDelegationToken({ ...request, tool: `t${index}` })
    await expect(asked).rejects.toMatchObject({ code: 'network' })
  }
}

const asking = (authsec: Warm['authsec'], tool: string) => authsec.getDelegationToken({ ...request, tool })

describe('the breaker', () => {
  test('opens for 5 s after five failures in a row and sends nothing meanwhile', async () => {
    const client = await createWarmClient()
    const { authsec, stub, clock, events } = client
    await failTimes(client, 5)
    await clock.advance(4_999)
    await expect(asking(authsec, 'a')).rejects.toMatchObject({
      code: 'temporarily_unavailable',
      retryable: true,
      retryAfterMs: 1,
    })
    expect(stub.count('exchange')).toBe(6)
    expect(events).toContainEqual({ type: 'breaker.opened', code: 'network', forMs: 5_000 })
    await clock.advance(1)
    expect(await asking(authsec, 'a')).toMatchObject({ fromCache: false })
    expect(events.at(-2)).toEqual({ type: 'breaker.closed' })
  })

  test('never hides a token that is still valid: breaker with valid token', async () => {
    const client = await createWarmClient()
    await failTimes(client, 5)
    await expect(asking(client.authsec, 'a')).rejects.toMatchObject({ code: 'temporarily_unavailable' })
    expect(await client.authsec.getDelegationToken(request)).toMatchObject({ jti: 'call-1', fromCache: true })
    // In its last seconds it is waited for, and still handed out.
    await client.clock.advance(57_500)
    await failTimes(client, 1)
    expect(await client.authsec.getDelegationToken(request)).toMatchObject({ jti: 'call-1' })
  })

  test('counts five in a row only', async () => {
    const client = await createWarmClient()
    await failTimes(client, 4)
    await asking(client.authsec, 'well')
    await failTimes(client, 4)
    expect(await asking(client.authsec, 'fine')).toMatchObject({ fromCache: false })
  })

  test('lets one probe decide, for whom all others wait', async () => {
    const client = await createWarmClient()
    const { authsec, stub, clock } = client
    await failTimes(client, 5)
    await clock.advance(5_000)
    const gate = stub.hold()
    const asked = ['a', 'b', 'c'].map((tool) => asking(authsec, tool))
    await settle()
    expect(stub.count('exchange')).toBe(7)
    gate.release()
    expect(await Promise.all(asked)).toHaveLength(3)
  })

  test('stays open twice as long each time the probe fails, 30 s at most', async () => {
    const client = await createWarmClient()
    await failTimes(client, 5)
    for (const wait of [5_000, 10_000, 20_000, 30_000, 30_000]) {
      await client.clock.advance(wait - 1)
      await expect(asking(client.authsec, 'early')).rejects.toMatchObject({ code: 'temporarily_unavailable' })
      await client.clock.advance(1)
      await failTimes(client, 1)
    }
    const opened = client.events.filter(({ type }) => type === 'breaker.opened')
    expect(opened.map((event) => 'forMs' in event && event.forMs)).toEqual([
      5_000, 10_000, 20_000, 30_000, 30_000, 30_000,
    ])
  })

  test.each([
    { why: 'answers of 500', reply: () => jsonResponse(500, {}), code: 'server_error' },
    { why: 'HTML body with 200', reply: () => new Response('<html>hello</html>'), code: 'server_error' },
    { why: '200 without a token', reply: () => jsonResponse(200, {}), code: 'token_response_invalid' },
    {
      why: '200 with a token that is none',
      reply: () => jsonResponse(200, { access_token: 'e30.e30.e30', token_type: 'Bearer' }),
      code: 'token_response_invalid',
    },
  ])('opens for $why as well', async ({ reply, code }) => {
    const { authsec, stub } = await createWarmClient()
    stub.script('exchange', reply, reply, reply, reply, reply)
    for (let index = 0; index < 5; index++) {
      await expect(asking(authsec, `t${index}`)).rejects.toMatchObject({ code })
    }
    await expect(asking(authsec, 'a')).rejects.toMatchObject({ code: 'temporarily_unavailable' })
  })

  test('opens for base tokens that are none as well', async () => {
    const { authsec, stub } = createStubbedClient(once)
    stub.bend.base = (claims) => delete claims['jti']
    for (let index = 0; index < 5; index++) {
      await expect(authsec.getDelegationToken()).rejects.toMatchObject({ code: 'token_response_invalid' })
    }
    await expect(authsec.getDelegationToken()).rejects.toMatchObject({ code: 'temporarily_unavailable' })
  })

  test('does not open for tokens that are more than was asked for: those of other APIs may be right', async () => {
    const { authsec, stub } = await createWarmClient()
    stub.bend.call = (claims) => Object.assign(claims, { permissions: ['billing:admin'] })
    for (let index = 0; index < 6; index++) {
      await expect(asking(authsec, `t${index}`)).rejects.toMatchObject({ code: 'grant_widened' })
    }
  })

  test('does not open because of what there was no time to send', async () => {
    const clock = createFakeClock()
    const events: object[] = []
    const serverUrl = new URL('https://authsec.example')
    const emit = (event: object) => events.push(event)
    const send = () => Promise.reject(new Error('nothing is sent'))
    const http = createGatedHttp({ send }, { clock, serverUrl, emit })
    const limits = { signal: new AbortController().signal, deadline: clock.monotonic() }
    for (let index = 0; index < 6; index++) {
      await expect(http.send({ url: serverUrl.href }, limits, () => {})).rejects.toMatchObject({
        code: 'timed_out',
        message: 'no time was left to ask https://authsec.example',
      })
    }
    expect(events).toEqual([])
  })

  test('does not open because callers went away or were refused', async () => {
    const { authsec, stub } = await createWarmClient()
    const gate = stub.hold()
    const controller = new AbortController()
    const left = Array.from({ length: 6 }, (_, index) =>
      authsec.getDelegationToken({ ...request, tool: `t${index}`, signal: controller.signal }),
    )
    await settle()
    controller.abort()
    await Promise.allSettled(left)
    gate.release()
    await settle()
    for (let index = 0; index < 6; index++) {
      stub.script('exchange', () => oauthError(400, 'invalid_scope', 'no'))
      await expect(asking(authsec, `u${index}`)).rejects.toMatchObject({ code: 'invalid_scope' })
    }
    expect(await asking(authsec, 'a')).toMatchObject({ fromCache: false })
  })
})

describe('a pause that the server asked for', () => {
  test.each([
    { why: 'in seconds', header: '20', waits: 20_000 },
    { why: '429 with date', header: 'Tue, 24 Nov 2026 09:00:20 GMT', waits: 20_000 },
    { why: 'of more than a minute', header: '3600', waits: 60_000 },
    { why: 'without saying how long', header: undefined, waits: 1_000 },
  ])('is kept by the whole client: $why', async ({ header, waits }) => {
    const { authsec, stub, clock } = await createWarmClient()
    stub.script('exchange', () =>
      jsonResponse(429, {}, header === undefined ? {} : { 'retry-after': header }),
    )
    await expect(asking(authsec, 'a')).rejects.toMatchObject({ code: 'rate_limited' })
    await clock.advance(waits - 1)
    await expect(asking(authsec, 'b')).rejects.toMatchObject({ code: 'rate_limited', retryAfterMs: 1 })
    expect(stub.count('exchange')).toBe(2)
    await clock.advance(1)
    expect(await asking(authsec, 'b')).toMatchObject({ fromCache: false })
  })

  test('is kept by all others while whoever was told so still waits', async () => {
    const { authsec, stub, clock } = await createWarmClient({})
    stub.script('exchange', () => jsonResponse(429, {}, { 'retry-after': '3' }))
    const waiting = asking(authsec, 'a')
    await settle()
    await expect(asking(authsec, 'b')).rejects.toMatchObject({ code: 'rate_limited', retryAfterMs: 3_000 })
    expect(stub.count('exchange')).toBe(2)
    await clock.advance(3_000)
    expect(await waiting).toMatchObject({ fromCache: false })
    expect(await asking(authsec, 'b')).toMatchObject({ fromCache: false })
  })

  test('that is longer than the deadline fails at once and says how long: 429 longer than deadline', async () => {
    const { authsec, stub } = await createWarmClient({})
    stub.script('exchange', () => jsonResponse(429, {}, { 'retry-after': '6' }))
    await expect(asking(authsec, 'a')).rejects.toMatchObject({ code: 'rate_limited', retryAfterMs: 6_000 })
    expect(stub.count('exchange')).toBe(2)
    expect(await authsec.getDelegationToken(request)).toMatchObject({ jti: 'call-1' })
  })
})

describe('a client that the server does not take', () => {
  test.each([
    { why: 'invalid_client', reply: () => oauthError(400, 'invalid_client', 'who?') },
    { why: '401', reply: () => jsonResponse(401, { error: 'Authorization required' }) },
  ])('asks nothing more for 10 s after $why', async ({ reply }) => {
    const { authsec, stub, clock } = await createWarmClient()
    stub.script('exchange', reply)
    await expect(asking(authsec, 'a')).rejects.toMatchObject({ code: 'invalid_client' })
    await clock.advance(9_999)
    await expect(asking(authsec, 'b')).rejects.toMatchObject({ code: 'invalid_client', retryAfterMs: 1 })
    expect(stub.count('exchange')).toBe(2)
    await clock.advance(1)
    expect(await asking(authsec, 'b')).toMatchObject({ fromCache: false })
  })
})

describe('many exchanges at once', () => {
  const tools = (count: number) => Array.from({ length: count }, (_, index) => `t${index}`)

  test('are 16 at a time, in the order they were asked for', async () => {
    const { authsec, stub } = await createWarmClient()
    const gate = stub.hold()
    const asked = Promise.all(tools(40).map((tool) => asking(authsec, tool)))
    await settle()
    expect([stub.count('exchange'), authsec.stats().queued]).toEqual([17, 24])
    gate.release()
    await asked
    const order = stub.requests.map(({ form }) => form.get('tool')).filter((tool) => tool !== null)
    expect(order).toEqual(tools(40))
  })

  test('are refused beyond 256 that wait', async () => {
    const { authsec, stub } = await createWarmClient()
    const gate = stub.hold()
    const asked = tools(16 + 256).map((tool) => asking(authsec, tool))
    await settle()
    await expect(asking(authsec, 'one too many')).rejects.toMatchObject({
      code: 'overloaded',
      retryable: true,
    })
    gate.release()
    expect(await Promise.all(asked)).toHaveLength(272)
    expect(await asking(authsec, 'one too many')).toMatchObject({ fromCache: false })
  })

  test('leave the queue with their callers, and at their deadline', async () => {
    const { authsec, stub, clock } = await createWarmClient({
      http: { maxAttempts: 1, attemptTimeoutMs: 5_000 },
    })
    stub.hold()
    const running = Promise.allSettled(tools(16).map((tool) => asking(authsec, tool)))
    const controller = new AbortController()
    const leaving = authsec.getDelegationToken({ ...request, tool: 'leaving', signal: controller.signal })
    await settle()
    await clock.advance(1_000)
    const late = asking(authsec, 'late').catch((error: unknown) => error)
    await settle()
    controller.abort()
    await expect(leaving).rejects.toMatchObject({ name: 'AbortError' })
    await clock.advance(4_000)
    await running
    await clock.advance(1_000)
    expect(await late).toMatchObject({ retryable: true })
    expect([authsec.stats().queued, authsec.stats().underWay, clock.keptAliveBy]).toEqual([0, 0, 0])
  })
})
