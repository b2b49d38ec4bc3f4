import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ENDPOINTS } from '../../src/server/endpoints.js'
import { type Call, exchangeForm, startTestServer, type TestServer } from '../support/running-server.js'

const RESOURCES = '/admin/resources'
const FORM_TYPE = 'application/x-www-form-urlencoded'

let server: TestServer
beforeAll(async () => {
  server = await startTestServer()
})
afterAll(() => server.close())

const post = (body: string | Uint8Array, contentType = 'application/json') =>
  server.call('POST', RESOURCES, { admin: true, body, headers: { 'content-type': contentType } })

/** A well-formed body of exactly so many bytes. */
function resourceOf(bytes: number): string {
  return JSON.stringify({ uri: 'https://fill.example', permissions: [] }).padEnd(bytes)
}

describe('a JSON body', () => {
  test.each(['application/json', 'Application/JSON; charset=utf-8', 'application/json;charset="utf-8"'])(
    'may be sent as %s',
    async (contentType) => {
      const body = JSON.stringify({ uri: `https://${Math.random()}.example`, permissions: ['a:b'] })
      expect((await post(body, contentType)).status).toBe(201)
    },
  )

  test.each([
    'text/plain',
    FORM_TYPE,
    'application/jsonx',
    'application/json, text/plain',
    'json',
    ';',
    'text/json',
  ])('is refused as %s', async (contentType) => {
    const reply = await post('{"uri":"https://type.example"}', contentType)
    expect(reply).toMatchObject({
      status: 400,
      json: { error: expect.stringMatching(/^the content type ".*" is not application\/json$/) },
    })
  })

  test.each([
    {
      headers: { 'content-type': 'application/json; charset=utf-16' },
      error: 'the charset "utf-16" is not utf-8',
    },
    {
      headers: { 'content-type': 'application/json;Charset="ISO-8859-1"' },
      error: 'the charset "iso-8859-1" is not utf-8',
    },
    {
      headers: { 'content-type': 'application/json; charset=utf-8; charset=x' },
      error: 'the charset "x" is not utf-8',
    },
    { headers: { 'content-type': 'application/json; charset=' }, error: 'the charset "" is not utf-8' },
    {
      // What such a header may hold at most, none of which takes long.
      headers: { 'content-type': `application/json; charset=x${' '.repeat(14_000)}y"z` },
      error: `the charset "x${' '.repeat(59)}…" is not utf-8`,
    },
    {
      headers: { 'content-type': 'application/json; charset="utf-8"x' },
      error: 'the charset ""utf-8"x" is not utf-8',
    },
    { headers: { 'content-encoding': 'gzip' }, error: 'the content encoding "gzip" is not identity' },
    {
      headers: { 'content-encoding': 'identity, br' },
      error: 'the content encoding "identity, br" is not identity',
    },
  ])('is refused as 415 with $headers', async ({ headers, error }) => {
    const body = '{"uri":"https://coded.example","permissions":[]}'
    const call = { admin: true, body, headers: { 'content-type': 'application/json', ...headers } }
    const reply = await server.call('POST', RESOURCES, call)
    expect(reply).toMatchObject({
      status: 415,
      headers: { 'accept-encoding': 'identity', 'content-type': 'application/json' },
      json: { error },
    })
  })

  test.each([
    { 'content-type': 'application/json; charset=us-ascii' },
    { 'content-type': 'application/json; profile=x', 'content-encoding': 'Identity' },
  ])('is taken with %j', async (headers) => {
    const body = JSON.stringify({ uri: `https://${Math.random()}.example`, permissions: ['a:b'] })
    expect((await server.call('POST', RESOURCES, { admin: true, body, headers })).status).toBe(201)
  })

  test('is refused without a content type', async () => {
    const reply = await server.call('POST', RESOURCES, { admin: true, body: '{}' })
    expect(reply.json).toEqual({ error: 'the content type "none" is not application/json' })
  })

  test.each([
    { why: 'empty', body: '', error: 'not valid JSON' },
    { why: 'cut off', body: '{"uri":', error: 'not valid JSON' },
    { why: 'two values', body: '{}{}', error: 'not valid JSON' },
    { why: 'a list', body: '[]', error: 'not a JSON object' },
    { why: 'null', body: 'null', error: 'not a JSON object' },
    {
      why: 'with a name twice',
      body: '{"uri":"a:b","uri":"c:d"}',
      error: 'the JSON member "uri" stands twice',
    },
    {
      why: 'with a name twice in two spellings',
      body: '{"uri":"a:b","\\u0075ri":"c:d"}',
      error: 'the JSON member "uri" stands twice',
    },
    {
      why: 'nested deeply',
      body: `{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`,
      error: 'JSON nested deeper than 32',
    },
    {
      why: 'not UTF-8',
      body: Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]),
      error: 'the body is not UTF-8',
    },
    {
      why: 'in UTF-16',
      body: Buffer.from('{"uri":"https://utf16.example"}', 'utf16le'),
      error: 'not valid JSON',
    },
    {
      why: 'with half a character',
      body: '{"uri":"a:\\ud800"}',
      error: 'uri holds a character that is not text',
    },
    {
      why: 'with a NUL',
      body: '{"uri":"a:\\u0000"}',
      error: 'uri holds a character that is not text',
    },
    { why: 'without what is required', body: '{"permissions":[]}', error: 'uri is required' },
    { why: 'with an empty value', body: '{"uri":""}', error: 'uri is required' },
    { why: 'with another type', body: '{"uri":{"a":1}}', error: 'uri "{"a":1}" is not a string' },
    {
      why: 'with a list of another type',
      body: '{"uri":"a:b","permissions":["a:b",1]}',
      error: 'permissions "["a:b",1]" is not a list of strings',
    },
    {
      why: 'with a text instead of a list',
      body: '{"uri":"a:b","permissions":"a:b"}',
      error: 'permissions "a:b" is not a list of strings',
    },
    {
      why: 'with a list of 8 KiB',
      body: JSON.stringify({ uri: 'a:b', permissions: Array(900).fill('billing:read') }),
      error: 'permissions is a list of more than 8 KiB',
    },
    {
      why: 'with more permissions than any API has',
      body: JSON.stringify({ uri: 'a:b', permissions: Array.from({ length: 101 }, (_, n) => `a:${n}`) }),
      error: 'more than 100 permissions',
    },
    {
      why: 'with a permission longer than any',
      body: JSON.stringify({ uri: 'a:b', permissions: [`a:${'b'.repeat(99)}`] }),
      error: expect.stringContaining('is not a permission'),
    },
  ])('is refused when it is $why', async ({ body, error }) => {
    const reply = await post(body)
    expect(reply).toMatchObject({ status: 400, json: { error } })
    expect(reply.headers['cache-control']).toBe('no-store')
  })

  test.each([
    { path: '/admin/users', member: 'rolse', hint: 'Did you mean roles?' },
    { path: '/admin/roles', member: 'limit', hint: 'There are name, permissions.' },
    { path: '/admin/resources', member: 'signing_alg_', hint: 'Did you mean signing_alg?' },
    { path: '/admin/trust-rules', member: 'claim', hint: 'Did you mean claims?' },
    { path: '/admin/tokens/revoke', member: 'until', hint: 'There are jti.' },
    { path: '/admin/keys/rotate', member: 'algorithm', hint: 'There are purpose, alg.' },
    { path: '/audit/exports', member: 'fliter', hint: 'Did you mean filter?' },
    { path: '/dev/snapshots', member: 'clones', hint: 'Did you mean clone?' },
  ])(
    'of an admin for $path is refused with a $member, which nobody would heed',
    async ({ path, member, hint }) => {
      const json = { [member]: 'x' }
      expect(await server.call('POST', path, { admin: true, json })).toMatchObject({
        status: 400,
        json: { error: `"${member}" is no member of this body`, details: hint },
      })
    },
  )

  test('is taken up to 64 KiB and refused as 413 one byte later', async () => {
    expect((await post(resourceOf(65_536))).status).toBe(201)
    expect(await post(resourceOf(65_537))).toMatchObject({
      status: 413,
      json: { error: 'the body is larger than 64 KiB' },
    })
  })
})

describe('a body in chunks', () => {
  const chunked = (body: string, contentType: string, path: string, session = '') =>
    new Promise<string>((resolve) => {
      const socket = connect(server.port, '127.0.0.1', () => {
        socket.write(
          `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n${session}Content-Type: ${contentType}\r\nTransfer-Encoding: chunked\r\n\r\n`,
        )
        for (let at = 0; at < body.length; at += 9_973) {
          const chunk = body.slice(at, at + 9_973)
          socket.write(`${chunk.length.toString(16)}\r\n${chunk}\r\n`)
        }
        socket.write('0\r\n\r\n')
      })
      let received = ''
      socket.on('data', (chunk) => {
        received += chunk
      })
      socket.on('error', () => {})
      socket.on('close', () => resolve(received))
    })

  test.each([
    { bytes: 65_536, status: 409 },
    { bytes: 65_537, status: 413 },
    { bytes: 1_000_000, status: 413 },
  ])('of $bytes bytes is $status', async ({ bytes, status }) => {
    const session = `Authorization: Bearer ${server.adminToken}\r\n`
    await post(JSON.stringify({ uri: 'https://fill.example' }))
    const reply = await chunked(resourceOf(bytes), 'application/json', RESOURCES, session)
    expect(reply.slice(0, 12)).toBe(`HTTP/1.1 ${status}`)
  })

  test('is counted before anybody is asked to log in to the token endpoint', async () => {
    const reply = await chunked(`scope=${'a'.repeat(100_000)}`, FORM_TYPE, '/oauth/token')
    expect(reply).toMatch(
      /^HTTP\/1\.1 413 [\s\S]*"error":"invalid_request","error_description":"the body is larger/,
    )
  })
})

describe('a token form', () => {
  const send = (call: Call) => server.call('POST', '/oauth/token', call)

  test.each<{ why: string; call: Call; error?: string; description: string | RegExp }>([
    {
      why: 'JSON',
      call: { json: { grant_type: 'x' } },
      description: "the content type 'application/json' is not application/x-www-form-urlencoded",
    },
    { why: 'of no type', call: { body: 'grant_type=x' }, description: /^the content type 'none'/ },
    {
      why: 'multipart',
      call: { body: 'x', headers: { 'content-type': 'multipart/form-data; boundary=x' } },
      description: /^the content type 'multipart/,
    },
    { why: 'empty', call: { form: '' }, description: 'grant_type is missing' },
    { why: 'with an empty grant type', call: { form: 'grant_type=' }, description: 'grant_type is missing' },
    {
      why: 'with a parameter twice',
      call: { form: 'scope=a&scope=b' },
      description: "the parameter 'scope' stands twice",
    },
    {
      why: 'with a NUL',
      call: { form: 'grant_type=client_credentials&client_secret=s%00cret' },
      description: "the parameter 'client_secret' holds a character that is not text",
    },
    {
      why: 'with a NUL in a name',
      call: { form: 'x%00=' },
      description: "the parameter 'xU+0000' holds a character that is not text",
    },
    {
      why: 'for two APIs',
      call: { form: 'resource=https://a.example&resource=https://b.example' },
      error: 'invalid_target',
      description: 'resource stands twice: a token is for one API',
    },
    {
      why: 'for two audiences',
      call: { form: 'audience=a&audience=b' },
      error: 'invalid_target',
      description: 'audience stands twice: a token is for one API',
    },
    {
      why: 'with a proof of possession that nobody checks',
      call: { form: 'grant_type=client_credentials', headers: { dpop: 'eyJ' } },
      description: 'DPoP is not supported by this server',
    },
    {
      why: 'with an unknown parameter twice',
      call: { form: 'x=a&x=' },
      description: "the parameter 'x' stands twice",
    },
    {
      why: 'with a parameter twice in two spellings',
      call: { body: 'scope=a&%73cope=b', headers: { 'content-type': FORM_TYPE } },
      description: "the parameter 'scope' stands twice",
    },
    {
      why: 'not UTF-8',
      call: { body: Buffer.from('scope=\xff\xfe', 'latin1'), headers: { 'content-type': FORM_TYPE } },
      description: 'the body is not UTF-8',
    },
  ])(
    'is refused when it is $why, with a record',
    async ({ call, error = 'invalid_request', description }) => {
      const reply = await send(call)
      expect(reply).toMatchObject({
        status: 400,
        json: {
          error,
          error_description: description instanceof RegExp ? expect.stringMatching(description) : description,
          authsec_audit: expect.any(String),
          request_id: reply.headers['x-request-id'],
        },
      })
      const found = await server.call('GET', '/audit/events?filter=type=token.exchanged&last=1', {
        admin: true,
      })
      expect(found.json.events[0].event).toMatchObject({ id: reply.json.authsec_audit, outcome: 'deny' })
    },
  )

  test('is 415 in another charset', async () => {
    const headers = { 'content-type': `${FORM_TYPE}; charset=utf-16le` }
    expect(await send({ body: 'grant_type=x', headers })).toMatchObject({
      status: 415,
      json: { error: 'invalid_request', error_description: "the charset 'utf-16le' is not utf-8" },
    })
  })

  test('of 64 KiB of scope is an ordinary refusal with an ordinary record', async () => {
    const scope = Array.from({ length: 6_000 }, (_, index) => `a:${index}`).join(' ')
    const reply = await server.exchange({ scope })
    expect(reply).toMatchObject({
      status: 400,
      json: {
        error: 'invalid_scope',
        error_description: 'more than 100 permissions',
        authsec_audit: expect.any(String),
      },
    })
  })

  test('is larger than anybody needs', async () => {
    const form = { ...exchangeForm(server.clientId), subject_token: 'x'.repeat(70_000) }
    expect(await send({ form })).toMatchObject({ status: 413, json: { error: 'invalid_request' } })
  })
})

describe("what an admin asks in the toolkit's own contract", () => {
  const own = ENDPOINTS.filter(({ speaks, access }) => speaks === 'authsec' && access === 'admin')
  const call = (method: string, path: string, json?: object) =>
    server.call(method, path.replaceAll(/:\w+/g, 'x'), { admin: true, ...(json && { json }) })
  /** These take no body, or one that is RFC 7517's. */
  const others = /^\/admin\/keys\/:kid\/|\/jwks$/

  test.each(own.map(({ method, paths: [path = ''] }) => ({ method, path })))(
    'holds no parameter that nobody heeds: $method $path',
    async ({ method, path }) => {
      const reply = await call(method, `${path}?unheard=1`)
      expect(reply).toMatchObject({ status: 400, json: { error: '"unheard" is no parameter of this query' } })
    },
  )

  test.each(
    own
      .filter(({ method, paths: [path = ''] }) => /^P/.test(method) && !others.test(path))
      .map(({ method, paths: [path = ''] }) => ({ method, path })),
  )('holds no member that nobody heeds: $method $path', async ({ method, path }) => {
    const reply = await call(method, path, { unheard: 1 })
    expect(reply).toMatchObject({ status: 400, json: { error: '"unheard" is no member of this body' } })
  })
})

describe('a query', () => {
  test.each([
    { path: '/audit/events?last=1&last=2', error: 'the parameter last stands twice' },
    { path: '/audit/events?after=1&after=1', error: 'the parameter after stands twice' },
    { path: '/audit/events?since=1h&since=2h', error: 'the parameter since stands twice' },
    {
      path: '/uflow/delegation-policies?enabled=true&enabled=false',
      error: 'the parameter enabled stands twice',
    },
    {
      path: '/uflow/delegation-policies?role_name=a&role_name=b',
      error: 'the parameter role_name stands twice',
    },
    { path: '/uflow/delegation-policies?enabled=yes', error: 'enabled "yes" is not true or false' },
    {
      path: '/clientms/tenants/TENANT/clients/getClients?page=1&page=2',
      error: 'the parameter page stands twice',
    },
    {
      path: '/clientms/tenants/TENANT/clients/getClients?active_only=1',
      error: 'active_only "1" is not true or false',
    },
    { path: '/clientms/tenants/TENANT/clients/getClients?active=', error: 'active "" is not true or false' },
    {
      path: '/clientms/tenants/TENANT/clients/getClients?name=a%00',
      error: 'name holds a character that is not text',
    },
    {
      path: '/uflow/sdk/delegation-token?client_id=a&client_id=b',
      error: 'the parameter client_id stands twice',
    },
    {
      path: '/v1/jwt/bundle?tenant_id=a&tenant_id=b',
      error: { code: 'BAD_REQUEST', message: 'the parameter tenant_id stands twice' },
    },
  ])('is refused: $path', async ({ path, error }) => {
    const reply = await server.call('GET', path.replace('TENANT', server.tenantId), { admin: true })
    expect(reply).toMatchObject({ status: 400, json: { error } })
  })
})
