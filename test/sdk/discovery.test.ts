import { describe, expect, test } from 'vitest'
import { readMetadata } from '../../src/sdk/discovery.js'
import { createHttp } from '../../src/sdk/http.js'
import { createFakeClock } from '../support/fake-clock.js'
import { jsonResponse } from '../support/stub-authsec.js'

const document = {
  issuer: 'https://authsec.example',
  token_endpoint: 'https://authsec.example/oauth/token',
  backchannel_authentication_endpoint: 'https://authsec.example/oauth/bc-authorize',
  authsec_tenant: 'tenant-1',
  authsec_call_tokens: { max_ttl_seconds: 300, bindings: [] },
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
  return { metadata: await readMetadata(http, new URL(serverUrl), limits), urls }
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
    expect(metadata).toMatchObject({ issuesCallTokens: false, tokenEndpoint: undefined })
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
})
