import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { createHttp, type HttpOptions } from '../../src/sdk/http.js'
import { createFakeClock, settle } from '../support/fake-clock.js'
import { jsonResponse, refuseConnection } from '../support/stub-authsec.js'

const URL = 'http://127.0.0.1:7468/oauth/token'

type Reply = (init: RequestInit) => Response | Promise<Response>

function setUp(replies: Reply[], options: Partial<HttpOptions> = {}) {
  const clock = createFakeClock()
  const sent: RequestInit[] = []
  /** When, in milliseconds from the start. */
  const sentAt: number[] = []
  const start = clock.monotonic()
  const http = createHttp({
    clock,
    random: () => 0.5,
    http: { attemptTimeoutMs: 2_500, totalTimeoutMs: 5_000, maxAttempts: 3, ...options },
    fetch: async (_url, init = {}) => {
      sent.push(init)
      sentAt.push(clock.monotonic() - start)
      const reply = replies[Math.min(sent.length, replies.length) - 1] as Reply
      return reply(init)
    },
  })
  const controller = new AbortController()
  const limits = { signal: controller.signal, deadline: clock.monotonic() + 5_000 }
  const send = () => {
    const answer = http.send({ url: URL }, limits)
    // Handled below, once the clock has moved on.
    answer.catch(() => undefined)
    return answer
  }
  return { clock, sent, sentAt, send, controller, http, limits }
}

const ok: Reply = () => jsonResponse(200, { fine: true })
const never: Reply = () => new Promise(() => {})
const status =
  (code: number, headers: Record<string, string> = {}): Reply =>
  () =>
    jsonResponse(code, {}, headers)

describe('one attempt', () => {
  test('asks for JSON, follows no redirect, and says when it began', async () => {
    const { send, sent, clock } = setUp([ok])
    const askedAt = { wall: clock.wall(), monotonic: clock.monotonic() }
    expect(await send()).toMatchObject({ status: 200, body: { fine: true }, requestId: 'request-1', askedAt })
    expect(sent[0]).toMatchObject({
      method: 'GET',
      redirect: 'manual',
      headers: { accept: 'application/json' },
    })
  })

  test('calls a fetch that minds whose method it is, as those of browsers do', async () => {
    const { clock, limits } = setUp([])
    const http = createHttp({
      clock,
      random: Math.random,
      http: { attemptTimeoutMs: 1, totalTimeoutMs: 1, maxAttempts: 1 },
      async fetch(this: unknown) {
        if (this !== undefined && this !== globalThis) throw new TypeError('Illegal invocation')
        return jsonResponse(200, {})
      },
    })
    expect(await http.send({ url: URL }, limits)).toMatchObject({ status: 200 })
  })

  test('posts a form', async () => {
    const { http, sent, limits } = setUp([ok])
    await http.send(
      { url: URL, form: new URLSearchParams({ scope: 'a:r b:r' }), headers: { 'x-a': '1' } },
      limits,
    )
    expect(sent[0]).toMatchObject({ method: 'POST', body: 'scope=a%3Ar+b%3Ar' })
    expect(sent[0]?.headers).toMatchObject({
      'content-type': 'application/x-www-form-urlencoded',
      'x-a': '1',
    })
  })

  test.each([
    {
      why: 'a redirect',
      reply: () => new Response(null, { status: 302, headers: { location: 'https://evil.example' } }),
    },
    { why: 'a permanent redirect', reply: () => new Response(null, { status: 308 }) },
    { why: 'a redirect as a browser shows it', reply: () => Response.error() },
    { why: 'a body that does not end', reply: () => new Response(createEndlessBody()) },
    { why: 'a body of 64 KiB and a byte', reply: () => new Response('x'.repeat(64 * 1024 + 1)) },
  ])('refuses $why, and does not try it again', async ({ reply }) => {
    const { send, sent } = setUp([reply])
    await expect(send()).rejects.toMatchObject({ code: 'server_error', retryable: false })
    expect(sent).toHaveLength(1)
  })

  test('takes a body of just 64 KiB', async () => {
    const { send } = setUp([() => new Response(JSON.stringify({ a: 'x'.repeat(64 * 1024 - 8) }))])
    expect((await send()).body).toBeDefined()
  })

  test.each([
    { why: 'HTML', body: '<html>' },
    { why: 'nothing', body: '' },
    { why: 'a list', body: '[]' },
    { why: 'null', body: 'null' },
  ])('finds no object in $why', async ({ body }) => {
    const { send } = setUp([() => new Response(body, { status: 200 })])
    expect((await send()).body).toBeUndefined()
  })

  test('passes on no control character from a header', async () => {
    const { send } = setUp([() => jsonResponse(200, {}, { 'x-request-id': 'a\u009bb' })])
    expect((await send()).requestId).toBe('a\\u009bb')
  })
})

describe('repeating', () => {
  test.each([
    { why: 'a refused connection', reply: refuseConnection },
    { why: '502', reply: status(502) },
    { why: '503', reply: status(503) },
    { why: '504', reply: status(504) },
    { why: '429', reply: status(429) },
  ])('tries again after $why', async ({ reply }) => {
    const { send, sentAt, clock } = setUp([reply, reply, ok])
    const answer = send()
    await clock.advance(150)
    expect(await answer).toMatchObject({ status: 200 })
    expect(sentAt).toEqual([0, 50, 150])
  })

  test('pauses twice as long each time, two seconds at most', async () => {
    const { send, sentAt, clock } = setUp([status(503)], { maxAttempts: 7 })
    const answer = send()
    await clock.advance(2_550)
    expect(await answer).toMatchObject({ status: 503 })
    // Half of 100, 200, 400, 800, 1,600 and 2,000 ms apart.
    expect(sentAt).toEqual([0, 50, 150, 350, 750, 1_550, 2_550])
  })

  test.each([200, 201, 400, 401, 403, 404, 410, 500, 501])('takes %d for an answer', async (code) => {
    const { send, sent } = setUp([status(code)])
    expect(await send()).toMatchObject({ status: code })
    expect(sent).toHaveLength(1)
  })

  test('gives up after three attempts, with the last answer', async () => {
    const { send, sent, clock } = setUp([status(503)])
    const answer = send()
    await clock.advance(5_000)
    expect(await answer).toMatchObject({ status: 503 })
    expect(sent).toHaveLength(3)
  })

  test('says what could not be reached', async () => {
    const { send, clock } = setUp([refuseConnection])
    const answer = send()
    await clock.advance(5_000)
    await expect(answer).rejects.toMatchObject({
      code: 'network',
      retryable: true,
      message: 'cannot reach http://127.0.0.1:7468: connection refused',
    })
  })

  test('keeps of a failure what it says, and nothing of the request that hangs on it', async () => {
    const secret = 'correct-horse-battery'
    const fail: Reply = (init) => {
      const cause = Object.assign(new Error(`sent ${init.body}`), { code: 'ECONNRESET', config: init })
      throw Object.assign(new TypeError('fetch failed', { cause }), { request: init })
    }
    const { http, limits } = setUp([fail], { maxAttempts: 1 })
    const form = new URLSearchParams({ client_secret: secret, scope: 'a:r' })
    const headers = { authorization: `Bearer ${secret}-2` }
    const error = await http.send({ url: URL, form, headers }, limits).catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      code: 'network',
      message: 'cannot reach http://127.0.0.1:7468: connection lost',
      cause: {
        name: 'TypeError',
        message: 'fetch failed',
        cause: { code: 'ECONNRESET', message: 'sent client_secret=[secret]&scope=a%3Ar' },
      },
    })
    expect(inspect(error, { depth: null, showHidden: true })).not.toContain(secret)
  })

  test('waits as long as the server asks', async () => {
    const { send, sent, clock } = setUp([status(429, { 'retry-after': '2' }), ok])
    const answer = send()
    await clock.advance(1_999)
    expect(sent).toHaveLength(1)
    await clock.advance(1)
    expect(await answer).toMatchObject({ status: 200 })
  })

  test.each([
    { form: 'seconds', header: () => '60' },
    { form: 'a date', header: (now: number) => new Date(now + 60_000).toUTCString() },
  ])('does not begin to wait when the server asks for longer than there is ($form)', async ({ header }) => {
    const { clock, send, sent } = setUp([
      (): Response => jsonResponse(429, {}, { 'retry-after': header(clock.wall()) }),
    ])
    expect(await send()).toMatchObject({ status: 429, retryAfterMs: 60_000 })
    expect(sent).toHaveLength(1)
  })

  test.each([
    { header: 'Tue, 24 Nov 2020 09:00:00 GMT', retryAfterMs: 0 },
    { header: 'soon', retryAfterMs: undefined },
  ])('reads Retry-After "$header" as $retryAfterMs', async ({ header, retryAfterMs }) => {
    const { send } = setUp([status(429, { 'retry-after': header })], { maxAttempts: 1 })
    expect(await send()).toMatchObject({ retryAfterMs })
  })
})

describe('time', () => {
  test('ends an attempt after its share, and everything after the whole', async () => {
    const { send, sent, clock } = setUp([never])
    const answer = send()
    await clock.advance(2_499)
    expect(sent[0]?.signal?.aborted).toBe(false)
    await clock.advance(1)
    expect(sent[0]?.signal?.aborted).toBe(true)
    await clock.advance(2_500)
    await expect(answer).rejects.toMatchObject({ code: 'timed_out', retryable: true })
    expect(sent).toHaveLength(2)
  })

  test('ends a body that stops coming', async () => {
    const { send, clock } = setUp([() => new Response(new ReadableStream({ start() {} }))], {
      maxAttempts: 1,
    })
    const answer = send()
    await clock.advance(2_500)
    await expect(answer).rejects.toMatchObject({ code: 'timed_out' })
  })

  test('leaves no timer behind', async () => {
    const { send, clock } = setUp([ok])
    await send()
    expect(clock.keptAliveBy).toBe(0)
  })
})

describe('aborting', () => {
  test('stops a request whose fetch does not listen', async () => {
    const { send, sent, controller, clock } = setUp([never])
    const answer = send()
    await settle()
    controller.abort(new Error('enough'))
    await expect(answer).rejects.toThrow('enough')
    expect(sent[0]?.signal?.aborted).toBe(true)
    expect(clock.keptAliveBy).toBe(0)
  })

  test('stops a pause', async () => {
    const { send, sent, controller, clock } = setUp([status(503)])
    const answer = send()
    await settle()
    controller.abort(new Error('enough'))
    await expect(answer).rejects.toThrow('enough')
    await clock.advance(5_000)
    expect(sent).toHaveLength(1)
  })

  test('sends nothing when it is too late already', async () => {
    const { send, sent, controller } = setUp([ok])
    controller.abort(new Error('enough'))
    await expect(send()).rejects.toThrow('enough')
    expect(sent).toHaveLength(0)
  })
})

function createEndlessBody(): ReadableStream {
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(new Uint8Array(16 * 1024))
    },
  })
}
