import { describe, expect, test } from 'vitest'
import { AuthsecError } from '../../src/core/errors.js'
import type { JsonObject } from '../../src/core/strict-json.js'
import { createDiscovery, readMetadata } from '../../src/sdk/discovery.js'
import { createHttp, type Http, type HttpAnswer } from '../../src/sdk/http.js'
import type { GatedHttp } from '../../src/sdk/issuer-gate.js'
import { createFakeClock } from '../support/fake-clock.js'
import { jsonResponse } from '../support/stub-authsec.js'

const document = {
  issuer: 'https://authsec.example',
  token_endpoint: 'https://authsec.example/oauth/token',
  backchannel_authentication_endpoint: 'https://authsec.example/oauth/bc-authorize',
  authsec_tenant: 'tenant-1',
  authsec_call_tokens: { max_ttl_seconds: 300, bindings: [] },
}

/** A way to a server that nobody watches. */
function withoutGate({ send }: Http): GatedHttp {
  return { send: async (request, limits, readAnswer) => readAnswer(await send(request, limits)) }
}

async function read(serverUrl: string, reply: () => Response) {
  const clock = createFakeClock()
  const urls: string[] = []
  const http = createHttp({
    clock,
    random: Math.random,
    http: { attemptTimeoutMs: 1, totalTimeoutMs: 1, maxAttempts: 1 },
    fetch: async (url) => {
      urls.push(String(url))
      return reply()
    },
  })
  const limits = { signal: new AbortController().signal, deadline: Number.POSITIVE_INFINITY }
  return { metadata: await readMetadata(withoutGate(http), new URL(serverUrl), limits), urls }
}

describe('readMetadata', () => {
  test('reads what the client needs', async () => {
    const { metadata } = await read('https://authsec.example', () => jsonResponse(200, document))
    expect(metadata).toEqual({
      issuer: 'https://authsec.example',
      tenant: 'tenant-1',
      bindings: [],
      tokenEndpoint: 'https://authsec.example/oauth/token',
      approvalEndpoint: 'https://authsec.example/oauth/bc-authorize',
      issuesCallTokens: true,
    })
  })

  test.each([
    { serverUrl: 'https://a.example', url: 'https://a.example/.well-known/oauth-authorization-server' },
    { serverUrl: 'https://a.example/t/', url: 'https://a.example/.well-known/oauth-authorization-server/t' },
  ])('looks for $serverUrl where RFC 8414 §3.1 says', async ({ serverUrl, url }) => {
    const { urls } = await read(serverUrl, () => new Response('{}', { status: 404 }))
    expect(urls).toEqual([url])
  })

  test.each([404, 410])('takes %d for a server that issues no call tokens', async (status) => {
    const { metadata } = await read('https://a.example', () => new Response('page not found', { status }))
    expect(metadata).toEqual({ issuer: 'https://a.example', tenant: '', issuesCallTokens: false })
  })

  test.each([
    { why: 'without the announcement', document: { ...document, authsec_call_tokens: undefined } },
    { why: 'with an announcement of another form', document: { ...document, authsec_call_tokens: true } },
    { why: 'without a token endpoint', document: { ...document, token_endpoint: undefined } },
  ])('expects no call tokens $why', async ({ document }) => {
    const { metadata } = await read('https://authsec.example', () => jsonResponse(200, document))
    expect(metadata.issuesCallTokens).toBe(false)
  })

  test('finds nobody to ask for approval where the address is that of another server', async () => {
    const foreign = { backchannel_authentication_endpoint: 'https://evil.example/ask' }
    const { metadata } = await read('https://authsec.example', () =>
      jsonResponse(200, { ...document, ...foreign }),
    )
    expect(metadata.approvalEndpoint).toBeUndefined()
  })

  test('lets a development server keep its issuer on another port', async () => {
    const local = { issuer: 'http://127.0.0.1:7468', token_endpoint: 'http://127.0.0.1:9000/oauth/token' }
    const { metadata } = await read('http://localhost:9000', () =>
      jsonResponse(200, { ...document, ...local }),
    )
    expect(metadata.issuer).toBe('http://127.0.0.1:7468')
  })

  test.each([
    { why: 'another issuer', document: { ...document, issuer: 'https://evil.example' } },
    { why: 'no issuer', document: { ...document, issuer: undefined } },
    { why: 'an issuer that is no address', document: { ...document, issuer: 'authsec' } },
    {
      why: 'a token endpoint elsewhere',
      document: { ...document, token_endpoint: 'https://evil.example/oauth/token' },
    },
    {
      why: 'a token endpoint in the clear',
      document: { ...document, token_endpoint: 'http://authsec.example/oauth/token' },
    },
    {
      why: 'a token endpoint on this machine',
      document: { ...document, token_endpoint: 'http://127.0.0.1:1/oauth/token' },
    },
  ])('refuses $why', async ({ document }) => {
    const reading = read('https://authsec.example', () => jsonResponse(200, document))
    await expect(reading).rejects.toMatchObject({ code: 'issuer_mismatch' })
  })

  test.each([
    { issuer: undefined, says: 'name no issuer' },
    { issuer: 5, says: 'name no issuer' },
    { issuer: 'https://evil.example', says: 'the issuer "https://evil.example" is not on' },
  ])('tells of the issuer $issuer', async ({ issuer, says }) => {
    const reading = read('https://authsec.example', () => jsonResponse(200, { ...document, issuer }))
    await expect(reading).rejects.toMatchObject({ message: expect.stringContaining(says) })
  })
})

/** Metadata that are read from what the test says the server answers now, and how often that was. */
function createRead() {
  const clock = createFakeClock()
  const server = { asked: 0, status: 404, isDown: false, body: document as object | undefined }
  const http = {
    async send(): Promise<HttpAnswer> {
      server.asked++
      if (server.isDown) throw new AuthsecError('network', 'no connection')
      const askedAt = { wall: clock.wall(), monotonic: clock.monotonic() }
      const { status, body } = server
      return {
        from: '',
        status,
        body: body as JsonObject | undefined,
        requestId: undefined,
        sent: [],
        retryAfterMs: undefined,
        askedAt,
        isRepeated: false,
      }
    },
  }
  const discovery = createDiscovery(withoutGate(http), new URL('https://authsec.example'), clock)
  const read = () => discovery.read(undefined, Number.POSITIVE_INFINITY)
  return { clock, server, discovery, read }
}

describe('what was read', () => {
  test('is good for ever where call tokens are announced', async () => {
    const { clock, server, discovery, read } = createRead()
    server.status = 200
    expect(await read()).toMatchObject({ issuesCallTokens: true })
    await clock.advance(86_400_000)
    expect(await read()).toBe(discovery.known)
    expect(server.asked).toBe(1)
  })

  test('is good for a minute where there are none, then for twice as long each time, for 10 minutes at most', async () => {
    const { clock, server, read } = createRead()
    await read()
    for (const seconds of [60, 120, 240, 480, 600, 600]) {
      const before = server.asked
      await clock.advance(seconds * 1_000 - 1)
      await read()
      expect(server.asked).toBe(before)
      await clock.advance(1)
      await Promise.all([read(), read()])
      expect(server.asked).toBe(before + 1)
    }
    server.status = 200
    await clock.advance(600_000)
    expect(await read()).toMatchObject({ issuesCallTokens: true })
  })

  test('goes on being good where it cannot be read again, and nobody asks each time', async () => {
    const { clock, server, read } = createRead()
    const first = await read()
    server.isDown = true
    await clock.advance(60_000)
    expect([await read(), await read()]).toEqual([first, first])
    expect(server.asked).toBe(2)
  })

  test.each([
    { why: 'a refusal by something in between', status: 403, body: document },
    { why: 'a redirect', status: 302, body: undefined },
    { why: 'a page that is no document', status: 200, body: undefined },
  ])('goes on being good after $why', async ({ status, body }) => {
    const { clock, server, read } = createRead()
    const first = await read()
    Object.assign(server, { status, body })
    await clock.advance(60_000)
    expect([await read(), await read()]).toEqual([first, first])
    expect(server.asked).toBe(2)
  })

  test('loses no token endpoint with a stray 404, and all that a new document says is new', async () => {
    const { clock, server, read } = createRead()
    Object.assign(server, { status: 200, body: { ...document, authsec_call_tokens: undefined } })
    const first = await read()
    server.status = 404
    await clock.advance(60_000)
    expect(await read()).toBe(first)
    Object.assign(server, { status: 200, body: document })
    await clock.advance(120_000)
    expect(await read()).toMatchObject({ issuesCallTokens: true })
  })

  test('is told from the answer of another server, and from that of a client that is closed', async () => {
    const { clock, server, discovery, read } = createRead()
    await read()
    Object.assign(server, { status: 200, body: { ...document, issuer: 'https://evil.example' } })
    await clock.advance(60_000)
    await expect(read()).rejects.toMatchObject({ code: 'issuer_mismatch' })
    discovery.close(new AuthsecError('closed', 'the client is closed'))
    await expect(read()).rejects.toMatchObject({ code: 'closed' })
  })

  test('is nothing where nothing could be read', async () => {
    const { server, read } = createRead()
    server.isDown = true
    await expect(read()).rejects.toMatchObject({ code: 'network' })
    server.isDown = false
    expect(await read()).toMatchObject({ issuesCallTokens: false })
  })
})
