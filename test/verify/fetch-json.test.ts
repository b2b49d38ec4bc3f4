import { describe, expect, test } from 'vitest'
import { fetchJson } from '../../src/verify/fetch-json.js'
import { answer, noConnection } from '../support/stub-server.js'

const url = new URL('https://authsec.example/oauth/jwks')

const fetchFrom = (response: Response | Error) =>
  fetchJson(url, async () => {
    if (response instanceof Error) throw response
    return response
  })

const KIB = 1024
const timeout = Object.assign(new Error('too slow'), { name: 'TimeoutError' })
const cutOff = new ReadableStream({
  start: (controller) => controller.error(new TypeError('terminated')),
})

describe('a document of a server', () => {
  test('is fetched without following redirects, with a time limit', async () => {
    const requests: RequestInit[] = []
    await fetchJson(url, async (_, init) => {
      requests.push(init ?? {})
      return answer(200, {})
    })
    expect(requests).toEqual([
      { headers: { accept: 'application/json' }, redirect: 'manual', signal: expect.any(AbortSignal) },
    ])
  })

  test.each([
    { header: 'max-age=300', maxAge: 300 },
    { header: 'public, max-age=60, must-revalidate', maxAge: 60 },
    { header: 'public,MAX-AGE="60"', maxAge: 60 },
    { header: 's-maxage=60', maxAge: undefined },
    { header: 'max-age=soon', maxAge: undefined },
    { header: 'no-store', maxAge: undefined },
  ])('may be kept as long as "$header" says', async ({ header, maxAge }) => {
    const fetched = await fetchFrom(answer(200, { a: 1 }, { 'cache-control': header }))
    expect(fetched).toEqual({ document: { a: 1 }, maxAge })
  })

  test('may have 256 KiB', async () => {
    const body = `{"a":"${'x'.repeat(256 * KIB - 8)}"}`
    expect(body).toHaveLength(256 * KIB)
    await expect(fetchFrom(new Response(body))).resolves.toMatchObject({ maxAge: undefined })
  })

  test.each([
    {
      why: 'no connection',
      response: noConnection(),
      code: 'network',
      message: 'cannot reach https://authsec.example: connection refused',
    },
    {
      why: 'a connection that breaks',
      response: new Response(cutOff),
      code: 'network',
      message: 'cannot reach https://authsec.example: no connection',
    },
    {
      why: 'silence',
      response: timeout,
      code: 'timed_out',
      message: 'https://authsec.example did not answer in 5 seconds',
    },
    {
      why: 'an error',
      response: answer(500, {}),
      code: 'server_error',
      message: 'https://authsec.example answered 500 to /oauth/jwks',
    },
    {
      why: 'nothing there',
      response: answer(404, {}),
      code: 'server_error',
      message: 'https://authsec.example answered 404 to /oauth/jwks',
    },
    {
      why: 'a redirect',
      response: Response.redirect('https://evil.example/keys', 302),
      code: 'server_error',
      message: 'https://authsec.example answered /oauth/jwks with a redirect, which is refused',
    },
    {
      why: 'a page',
      response: new Response('<html>'),
      code: 'server_error',
      message: 'https://authsec.example answered no JSON to /oauth/jwks',
    },
    {
      why: 'a list',
      response: answer(200, []),
      code: 'server_error',
      message: 'https://authsec.example answered no JSON to /oauth/jwks',
    },
    {
      why: 'a member that stands twice',
      response: new Response('{"keys":[],"keys":[]}'),
      code: 'server_error',
      message: 'https://authsec.example answered no JSON to /oauth/jwks',
    },
    {
      why: 'nothing',
      response: new Response(null),
      code: 'server_error',
      message: 'https://authsec.example answered no JSON to /oauth/jwks',
    },
    {
      why: 'more than 256 KiB',
      response: new Response(' '.repeat(256 * KIB + 1)),
      code: 'server_error',
      message: 'the answer of https://authsec.example is larger than 256 KiB',
    },
  ])('cannot be had: $why', async ({ response, code, message }) => {
    await expect(fetchFrom(response)).rejects.toMatchObject({
      name: 'AuthsecError',
      code,
      message,
      retryable: true,
    })
  })

  test('is not read further than its limit', async () => {
    let chunks = 0
    let cancelled = false
    const endless = new ReadableStream({
      pull(controller) {
        chunks++
        controller.enqueue(new Uint8Array(64 * KIB))
      },
      cancel() {
        cancelled = true
      },
    })
    await expect(fetchFrom(new Response(endless))).rejects.toMatchObject({ code: 'server_error' })
    expect(cancelled).toBe(true)
    expect(chunks).toBeLessThan(10)
  })
})
