import { describe, expect, test } from 'vitest'
import { type ApiRequest, callServer } from '../../src/api/http.js'

const SERVER = 'http://127.0.0.1:7468'
const REQUEST: ApiRequest = { method: 'GET', path: '/thing', session: 'never' }

function answering(
  body: ConstructorParameters<typeof Response>[0],
  init: ResponseInit = {},
  calls: Request[] = [],
): typeof fetch {
  return async (input, options) => {
    calls.push(new Request(input as string, options))
    return new Response(body, init)
  }
}

function failing(error: unknown): typeof fetch {
  return async () => {
    throw error
  }
}

describe('a call of the server', () => {
  test('returns the JSON of a success', async () => {
    const fetch = answering('{"a":[1]}')
    expect(await callServer({ serverUrl: SERVER, fetch }, REQUEST)).toEqual({ a: [1] })
  })

  test('writes query parameters, leaves out what is undefined and repeats lists', async () => {
    const calls: Request[] = []
    const query = { limit: 5, after: undefined, filter: ['a=b c', 'd=é&'] }
    await callServer({ serverUrl: SERVER, fetch: answering('{}', {}, calls) }, { ...REQUEST, query })
    expect(calls[0]?.url).toBe(`${SERVER}/thing?limit=5&filter=a%3Db+c&filter=d%3D%C3%A9%26`)
  })

  test('keeps the path of a server that has one', async () => {
    const calls: Request[] = []
    await callServer({ serverUrl: 'https://auth.example/eu', fetch: answering('{}', {}, calls) }, REQUEST)
    expect(calls[0]?.url).toBe('https://auth.example/eu/thing')
  })

  test.each([
    { session: 'required', sent: 'Bearer s3ss' },
    { session: 'optional', sent: 'Bearer s3ss' },
    { session: 'never', sent: null },
  ] as const)('with a session that is $session sends $sent', async ({ session, sent }) => {
    const calls: Request[] = []
    const target = { serverUrl: SERVER, session: 's3ss', fetch: answering('{}', {}, calls) }
    await callServer(target, { ...REQUEST, session })
    expect(calls[0]?.headers.get('authorization')).toBe(sent)
  })

  test('asks nobody when the session that it needs is not there', async () => {
    const calls: Request[] = []
    const call = callServer(
      { serverUrl: SERVER, fetch: answering('{}', {}, calls) },
      { ...REQUEST, session: 'required' },
    )
    await expect(call).rejects.toMatchObject({ code: 'login_required' })
    expect(calls).toEqual([])
  })

  test('sends a form without the fields that are undefined', async () => {
    const calls: Request[] = []
    const request: ApiRequest = { ...REQUEST, method: 'POST', form: { scope: 'a b', tool: undefined } }
    await callServer({ serverUrl: SERVER, fetch: answering('{}', {}, calls) }, request)
    expect(await calls[0]?.text()).toBe('scope=a+b')
    expect(calls[0]?.headers.get('content-type')).toBe('application/x-www-form-urlencoded')
  })

  test.each([
    {
      status: 400,
      body: { error: 'Invalid client_id format' },
      code: 'invalid_request',
      message: 'invalid client_id format',
    },
    {
      status: 401,
      body: { error: 'Invalid or expired token' },
      code: 'login_required',
      message: 'invalid or expired token',
    },
    {
      status: 403,
      body: { error: 'Delegation not allowed', details: 'no policy' },
      code: 'access_denied',
      message: 'delegation not allowed: no policy',
    },
    { status: 404, body: { error: 'Agent not found' }, code: 'not_found', message: 'agent not found' },
    { status: 409, body: { error: 'exists' }, code: 'conflict', message: 'exists' },
    { status: 421, body: { error: 'misdirected' }, code: 'misdirected_request', message: 'misdirected' },
    { status: 429, body: { error: 'slow down' }, code: 'rate_limited', message: 'slow down' },
    { status: 500, body: {}, code: 'server_error', message: 'the server answered 500 without saying why' },
    { status: 503, body: { error: 'full' }, code: 'temporarily_unavailable', message: 'full' },
    {
      status: 400,
      body: { error: 'invalid_scope', error_description: 'x:y is not within' },
      code: 'invalid_scope',
      message: 'x:y is not within',
    },
    {
      status: 404,
      body: { error: { code: 'NOT_FOUND', message: 'No such tenant' } },
      code: 'not_found',
      message: 'no such tenant',
    },
  ])('$status with $body.error is $code', async ({ status, body, code, message }) => {
    const fetch = answering(JSON.stringify(body), { status })
    await expect(callServer({ serverUrl: SERVER, fetch }, REQUEST)).rejects.toMatchObject({ code, message })
  })

  test.each([
    {
      body: { error: 'Client not found', details: 'Register it first.' },
      message: 'client not found',
      hint: 'Register it first.',
    },
    {
      body: { error: 'invalid_scope', error_description: 'a:b is not within it. Ask for: c:d.' },
      message: 'a:b is not within it',
      hint: 'Ask for: c:d.',
    },
    {
      body: { error: 'Invalid request', details: 'name is required' },
      message: 'invalid request: name is required',
      hint: undefined,
    },
    { body: { error: 'Authsec says no.' }, message: 'authsec says no.', hint: undefined },
    {
      body: { error: 'Not allowed', details: 'no policy of "a". Create one first: authsec policy create.' },
      message: 'not allowed: no policy of "a"',
      hint: 'Create one first: authsec policy create.',
    },
    {
      status: 403,
      body: {
        error: 'insufficient_scope',
        error_description: 'token is valid but lacks required permissions',
      },
      message: 'token is valid but lacks required permissions',
      hint: 'See authsec whoami for who is logged in and what they may do; this may take an admin.',
    },
    {
      status: 403,
      body: { error: 'Token is valid but lacks required permissions' },
      message: 'token is valid but lacks required permissions',
      hint: 'See authsec whoami for who is logged in and what they may do; this may take an admin.',
    },
  ])('tells the clause and the advice of $body apart', async ({ status = 400, body, message, hint }) => {
    const fetch = answering(JSON.stringify(body), { status })
    await expect(callServer({ serverUrl: SERVER, fetch }, REQUEST)).rejects.toMatchObject({ message, hint })
  })

  test('carries the ids by which the log knows the refusal', async () => {
    const body = { error: 'invalid_target', error_description: 'no', authsec_audit: 'ev-1' }
    const fetch = answering(JSON.stringify(body), { status: 400, headers: { 'x-request-id': 'rq-1' } })
    await expect(callServer({ serverUrl: SERVER, fetch }, REQUEST)).rejects.toMatchObject({
      requestId: 'rq-1',
      auditId: 'ev-1',
    })
  })

  test('tells how long to wait when the server says so', async () => {
    const fetch = answering('{}', { status: 429, headers: { 'retry-after': '7' } })
    await expect(callServer({ serverUrl: SERVER, fetch }, REQUEST)).rejects.toMatchObject({
      retryAfterMs: 7000,
    })
  })

  test('makes the text of the server safe to print', async () => {
    const fetch = answering(JSON.stringify({ error: 'a\u001b[31mb\u202ec' }), { status: 400 })
    await expect(callServer({ serverUrl: SERVER, fetch }, REQUEST)).rejects.toMatchObject({
      message: 'a\\u001b[31mb\\u202ec',
    })
  })

  test.each([
    {
      why: 'a page instead of JSON',
      body: '<html>',
      init: { headers: { 'content-type': 'text/html' } },
      message: /answered 200 with text\/html instead of JSON/,
    },
    { why: 'an empty answer', body: '', init: {}, message: /instead of JSON/ },
    {
      why: 'a redirect',
      body: null,
      init: { status: 302, headers: { location: 'https://evil.example/' } },
      message: /redirect/,
    },
    { why: 'an endless answer', body: endless(), init: {}, message: /larger than 32 MiB/ },
  ])('$why is a server_error', async ({ body, init, message }) => {
    await expect(
      callServer({ serverUrl: SERVER, fetch: answering(body, init) }, REQUEST),
    ).rejects.toMatchObject({
      code: 'server_error',
      message: expect.stringMatching(message),
      retryable: true,
    })
  })

  test('never follows a redirect', async () => {
    const seen: unknown[] = []
    const fetch: typeof globalThis.fetch = async (_, init) => {
      seen.push(init?.redirect)
      return new Response('{}')
    }
    await callServer({ serverUrl: SERVER, fetch }, REQUEST)
    expect(seen).toEqual(['manual'])
  })

  test.each([
    {
      cause: { code: 'ECONNREFUSED' },
      code: 'network',
      message: `cannot reach ${SERVER}: connection refused`,
    },
    { cause: { code: 'ENOTFOUND' }, code: 'network', message: `cannot reach ${SERVER}: no such host` },
    { cause: undefined, code: 'network', message: `cannot reach ${SERVER}: no connection` },
  ])('no connection because of $cause.code is told as such', async ({ cause, code, message }) => {
    const fetch = failing(new TypeError('fetch failed', { cause }))
    await expect(callServer({ serverUrl: SERVER, fetch }, REQUEST)).rejects.toMatchObject({ code, message })
  })

  test('an answer that takes too long is timed_out', async () => {
    const fetch = failing(new DOMException('late', 'TimeoutError'))
    await expect(callServer({ serverUrl: SERVER, fetch }, REQUEST)).rejects.toMatchObject({
      code: 'timed_out',
    })
  })
})

function endless(): ReadableStream<Uint8Array> {
  const megabyte = new Uint8Array(1024 * 1024).fill(0x20)
  return new ReadableStream({ pull: (controller) => controller.enqueue(megabyte) })
}
