import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ENDPOINTS } from '../../src/server/endpoints.js'
import { exchangeForm, sendBytes, startTestServer, type TestServer, UUID } from '../support/running-server.js'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.close())

const PATHS = [...new Set(ENDPOINTS.flatMap(({ paths }) => paths))]

function allowOf(path: string): string[] {
  const methods = ENDPOINTS.filter(({ paths }) => paths.includes(path)).map(({ method }) => method as string)
  return methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
}

describe('a path that is served', () => {
  test.each(PATHS)('%s refuses other methods with 405 and says which it has', async (path) => {
    for (const method of METHODS.filter((method) => !isServed(method, path))) {
      const reply = await server.call(method, path)
      expect(reply.status, method).toBe(405)
      expect(reply.headers['allow']).toBe(allowOf(path).join(', '))
      expect(reply.headers['x-request-id']).toMatch(UUID)
      expect(reply.headers).not.toHaveProperty('access-control-allow-origin')
      // A page says it to a person.
      if (reply.headers['content-type'] === 'application/json') expect(reply.json.error).toBeTruthy()
      else expect(reply.text).toMatch(/^<!doctype html>/i)
    }
  })

  test('tells a token request with the wrong method so in the words of OAuth', async () => {
    const reply = await server.call('GET', '/oauth/token')
    expect(reply).toMatchObject({
      status: 405,
      json: {
        error: 'invalid_request',
        error_description: 'GET is not served here',
        request_id: expect.any(String),
      },
    })
    expect(reply.headers['x-request-id']).toBe(reply.json.request_id)
  })

  test.each([
    '/oauth/jwks',
    '/.well-known/oauth-authorization-server',
    '/authsec/uflow/sdk/delegation-token',
  ])('%s answers HEAD with the head of its GET', async (path) => {
    const [head, get] = [await server.call('HEAD', path), await server.call('GET', path)]
    expect(head.text).toBe('')
    expect(head.status).toBe(get.status)
    for (const name of ['content-type', 'cache-control']) expect(head.headers[name]).toBe(get.headers[name])
  })
})

const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND']

// Also by a neighbour: `/clients/:id` takes the name of `/clients/create` for an id.
function isServed(method: string, path: string): boolean {
  const segments = path.split('/')
  const fits = (pattern: string) => {
    const parts = pattern.split('/')
    return (
      parts.length === segments.length &&
      parts.every((part, index) => part.startsWith(':') || part === segments[index])
    )
  }
  return ENDPOINTS.some((endpoint) => endpoint.method === method && endpoint.paths.some(fits))
}

describe('a path that is not served', () => {
  test.each([
    '/',
    '/nowhere',
    '/oauth/token/',
    '/OAUTH/TOKEN',
    '//oauth/token',
    '/oauth//token',
    '/authsec/oauth/token',
    '/authsec/authsec/uflow/sdk/delegation-token',
    '/oauth/%74oken/x',
    '/%zz/%ff%00',
    '/oauth/jwks;x=y',
    '/.env',
  ])('%s is 404 in JSON', async (path) => {
    for (const method of ['GET', 'POST', 'DELETE']) {
      const reply = await server.call(method, path)
      expect(reply).toMatchObject({
        status: 404,
        json: { error: expect.stringContaining(`nothing is served for ${method} /`) },
      })
      expect(reply.headers).toMatchObject({
        'content-type': 'application/json',
        'cache-control': 'no-store',
        'x-request-id': expect.stringMatching(UUID),
      })
    }
  })

  test('is not repeated at any length', async () => {
    expect((await server.call('GET', `/${'a'.repeat(10_000)}`)).text.length).toBeLessThan(400)
  })
})

describe('every answer', () => {
  test('has a request id of its own, whatever the caller sends', async () => {
    const headers = { 'x-request-id': '11111111-2222-4333-8444-555555555555' }
    const ids = []
    for (const path of ['/oauth/jwks', '/oauth/jwks', '/nowhere', '/audit/events']) {
      ids.push((await server.call('GET', path, { headers })).headers['x-request-id'])
    }
    expect(new Set(ids).size).toBe(4)
    expect(ids).not.toContain(headers['x-request-id'])
  })

  test('that grants something names the request of its record', async () => {
    const reply = await server.exchange()
    const found = await server.call('GET', '/audit/events?filter=type=token.exchanged&last=1', {
      admin: true,
    })
    expect(found.json.events[0].event).toMatchObject({
      id: reply.json.authsec_audit,
      request_id: reply.headers['x-request-id'],
      source: 'POST /oauth/token',
    })
  })
})

/** An answer as it came over the wire; nothing may follow it. */
function parseReply(text: string): { status: number; headers: Record<string, string>; body: string } {
  const end = text.indexOf('\r\n\r\n')
  const [first = '', ...lines] = text.slice(0, end).split('\r\n')
  const headers = lines.map((line) => {
    const [name = '', value = ''] = line.split(/: (.*)/)
    return [name.toLowerCase(), value]
  })
  return {
    status: Number(/^HTTP\/1\.1 (\d{3}) \S/.exec(first)?.[1]),
    headers: Object.fromEntries(headers),
    body: text.slice(end + 4),
  }
}

const HEAD = 'Host: 127.0.0.1\r\nConnection: close\r\n'
const FORM = `${HEAD}Content-Type: application/x-www-form-urlencoded\r\n`

describe('what is hardly HTTP', () => {
  test.each<{ why: string; bytes: string | Uint8Array; status: number; error?: RegExp }>([
    {
      why: 'no host',
      bytes: 'GET /oauth/jwks HTTP/1.1\r\nConnection: close\r\n\r\n',
      status: 400,
      error: /no Host header/,
    },
    {
      why: 'no host beside an absolute URL',
      bytes: 'GET http://127.0.0.1/oauth/jwks HTTP/1.1\r\nConnection: close\r\n\r\n',
      status: 400,
      error: /no Host header/,
    },
    {
      why: 'a host twice',
      bytes: `GET /oauth/jwks HTTP/1.1\r\n${HEAD}Host: 127.0.0.1\r\n\r\n`,
      status: 400,
      error: /Host header stands twice/,
    },
    {
      why: 'two hosts',
      bytes: `GET http://127.0.0.1/oauth/jwks HTTP/1.1\r\n${HEAD}Host: evil.example\r\n\r\n`,
      status: 400,
      error: /Host header stands twice/,
    },
    {
      why: 'a host that is none',
      bytes: 'GET /oauth/jwks HTTP/1.1\r\nHost: a b\r\nConnection: close\r\n\r\n',
      status: 400,
    },
    {
      why: 'an address in another spelling',
      bytes: 'GET /oauth/jwks HTTP/1.1\r\nHost: [::ffff:127.0.0.1]\r\nConnection: close\r\n\r\n',
      status: 400,
    },
    { why: 'an unknown method', bytes: `EVIL /oauth/jwks HTTP/1.1\r\n${HEAD}\r\n`, status: 400 },
    { why: 'a path of 20 KB', bytes: `GET /${'a'.repeat(20_000)} HTTP/1.1\r\n${HEAD}\r\n`, status: 431 },
    { why: 'an old version without a host', bytes: 'GET /oauth/jwks HTTP/1.0\r\n\r\n', status: 400 },
    { why: 'a version that there is not', bytes: `GET /oauth/jwks HTTP/9.9\r\n${HEAD}\r\n`, status: 400 },
    { why: 'another protocol', bytes: Buffer.from('160301020001000101fc0303', 'hex'), status: 400 },
    { why: 'a path without a slash', bytes: `GET evil HTTP/1.1\r\n${HEAD}\r\n`, status: 400 },
    { why: 'an asterisk', bytes: `OPTIONS * HTTP/1.1\r\n${HEAD}\r\n`, status: 400 },
    {
      why: 'a foreign absolute URL',
      bytes: `GET http://evil.example/oauth/jwks HTTP/1.1\r\n${HEAD}\r\n`,
      status: 421,
    },
    {
      why: 'a tunnel',
      bytes: `CONNECT 127.0.0.1:80 HTTP/1.1\r\n${HEAD}\r\n`,
      status: 405,
      error: /^CONNECT is not served here$/,
    },
    { why: 'TRACE', bytes: `TRACE /oauth/jwks HTTP/1.1\r\n${HEAD}\r\n`, status: 405 },
    {
      why: 'an unknown expectation',
      bytes: `POST /oauth/token HTTP/1.1\r\n${HEAD}Expect: 200-maybe\r\n\r\n`,
      status: 417,
    },
    {
      why: 'headers of 20 KB',
      bytes: `GET /oauth/jwks HTTP/1.1\r\n${HEAD}X: ${'a'.repeat(20_000)}\r\n\r\n`,
      status: 431,
    },
    {
      why: 'a header with a line break in it',
      bytes: `GET /oauth/jwks HTTP/1.1\r\n${HEAD}X: a\rb\r\n\r\n`,
      status: 400,
    },
    { why: 'a header with a NUL', bytes: `GET /oauth/jwks HTTP/1.1\r\n${HEAD}X: a\0b\r\n\r\n`, status: 400 },
    {
      why: 'a negative length',
      bytes: `POST /oauth/token HTTP/1.1\r\n${FORM}Content-Length: -1\r\n\r\n`,
      status: 400,
    },
    {
      why: 'two lengths',
      bytes: `POST /oauth/token HTTP/1.1\r\n${FORM}Content-Length: 1\r\nContent-Length: 2\r\n\r\na`,
      status: 400,
    },
    {
      why: 'a length and chunks',
      bytes: `POST /oauth/token HTTP/1.1\r\n${FORM}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`,
      status: 400,
    },
    {
      why: 'a chunk whose size is no number',
      bytes: `POST /oauth/token HTTP/1.1\r\n${FORM}Transfer-Encoding: chunked\r\n\r\nzz\r\na\r\n`,
      status: 400,
    },
    {
      why: 'a chunk longer than it says',
      bytes: `POST /oauth/token HTTP/1.1\r\n${FORM}Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n`,
      status: 400,
    },
    {
      why: 'bytes beyond the request',
      bytes: `GET /oauth/jwks HTTP/1.1\r\n${HEAD}\r\n\0\0\0\0`,
      status: 400,
    },
  ])('$why is refused in JSON, and the connection closed', async ({ bytes, status, error = /./ }) => {
    const reply = parseReply(await sendBytes(server.port, bytes))
    expect(reply).toEqual({
      status,
      headers: expect.objectContaining({
        'content-type': 'application/json',
        'content-length': String(reply.body.length),
        connection: 'close',
        'cache-control': 'no-store',
        'x-content-type-options': 'nosniff',
        'x-request-id': expect.stringMatching(UUID),
      }),
      body: expect.any(String),
    })
    expect(JSON.parse(reply.body).error).toMatch(error)
    expect((await server.call('GET', '/oauth/jwks')).status).toBe(200)
  })

  test.each([
    ['whole', 'HEAD', [`X: ${'a'.repeat(20_000)}\r\n\r\n`]],
    ['in pieces', 'HEAD', [`X: ${'a'.repeat(10_000)}`, `${'a'.repeat(10_000)}\r\n\r\n`]],
    // Nobody remembers the first piece.
    ['in pieces', 'GET', [`X: ${'a'.repeat(10_000)}`, `${'a'.repeat(10_000)}\r\n\r\n`]],
  ])('is refused without a body when it comes %s and may be a HEAD, as %s', async (_, method, pieces) => {
    const [first = '', ...others] = pieces
    const bytes = [`${method} /oauth/jwks HTTP/1.1\r\n${HEAD}${first}`, ...others]
    const reply = parseReply(await sendBytes(server.port, ...bytes))
    expect(reply).toMatchObject({ status: 431, body: '', headers: { connection: 'close' } })
    expect(reply.headers).not.toHaveProperty('content-length')
  })

  test('is refused without a body where a HEAD waits for its answer', async () => {
    const bytes = `HEAD /oauth/jwks HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nno request\r\n\r\n`
    expect(parseReply(await sendBytes(server.port, bytes))).toMatchObject({ status: 400, body: '' })
  })

  test('is refused in JSON when its head had been read before', async () => {
    const head = `POST /oauth/token HTTP/1.1\r\n${FORM}Transfer-Encoding: chunked\r\n\r\n`
    const reply = parseReply(await sendBytes(server.port, head, 'zz\r\na\r\n'))
    expect(reply.status).toBe(400)
    expect(JSON.parse(reply.body).error).toMatch(/HTTP/)
  })

  test('garbage after a request whose answer has begun cuts that off, and adds nothing to it', async () => {
    const stream = `GET /audit/events/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${server.adminToken}\r\n\r\n`
    const reply = await new Promise<string>((resolve) => {
      const socket = connect(server.port, '127.0.0.1', () => socket.write(stream))
      let received = ''
      socket.on('data', (chunk) => {
        if (received === '') socket.write('\0\0\0\0\r\n\r\n')
        received += chunk
      })
      socket.on('error', () => {})
      socket.on('close', () => resolve(received))
    })
    expect(reply).toMatch(/^HTTP\/1\.1 200 /)
    expect(reply).not.toContain('HTTP/1.1 400')
  })

  test('an upload that breaks off is no fault of the server, and leaves it alone', async () => {
    const lengths = ['Content-Length: 50', 'Transfer-Encoding: chunked']
    for (const length of lengths) {
      const bytes = `POST /oauth/token HTTP/1.1\r\n${FORM}${length}\r\n\r\n5\r\nabcde\r\n`
      const socket = connect(server.port, '127.0.0.1', () => socket.write(bytes))
      await delay(50)
      socket.destroy()
    }
    const denied = '/audit/events?filter=type=token.exchanged&filter=reason=invalid_request&last=2'
    await expect
      .poll(async () => (await server.call('GET', denied, { admin: true })).json.events.length)
      .toBe(2)
    expect(server.surprises).toEqual([])
  })

  test('twenty requests in one packet are all answered, in order', async () => {
    const one = 'GET /nowhere/N HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'
    const many = Array.from({ length: 20 }, (_, index) => one.replace('N', String(index))).join('')
    const reply = await sendBytes(server.port, `${many}GET /last HTTP/1.1\r\n${HEAD}\r\n`)
    expect([...reply.matchAll(/GET \/nowhere\/(\d+)"/g)].map(([, number]) => Number(number))).toEqual(
      Array.from({ length: 20 }, (_, index) => index),
    )
  })

  test('a slow request is waited for', async () => {
    const form = new URLSearchParams({ ...exchangeForm(server.clientId), subject_token: await server.pull() })
    const text = `POST /oauth/token HTTP/1.1\r\n${FORM}Content-Length: ${String(form).length}\r\n\r\n${form}`
    const reply = await new Promise<string>((resolve) => {
      const socket = connect(server.port, '127.0.0.1', async () => {
        for (let at = 0; at < text.length; at += 400) {
          socket.write(text.slice(at, at + 400))
          await delay(10)
        }
      })
      let received = ''
      socket.on('data', (chunk) => {
        received += chunk
      })
      socket.on('close', () => resolve(received))
    })
    expect(reply).toMatch(/^HTTP\/1\.1 200 /)
  })
})

test.each(['%00', 'a%00b'])('a segment of a path that is no text is refused: %s', async (segment) => {
  const reply = await server.call('GET', `/oauth/register/${segment}`)
  expect(reply).toMatchObject({ status: 400, json: { error: 'invalid_request' } })
})
