import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { type IdentityIssuer, JOB, startIdentityIssuer } from '../../support/identity-issuer.js'
import { registerClient } from '../../support/registered-client.js'
import { BILLING, startTestServer, type TestServer } from '../../support/running-server.js'

const GRANT_TYPE = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
const ORDERS = 'https://orders.example'

let server: TestServer
let issuer: IdentityIssuer
beforeAll(async () => {
  server = await startTestServer()
  issuer = await startIdentityIssuer(() => server.now, server.issuer)
  await trust('deploy', { subject: 'repo:acme/shop:ref:refs/heads/*', claims: { environment: 'production' } })
})
afterAll(async () => {
  await issuer.close()
  await server.close()
})

const trust = (name: string, rule: object = {}) =>
  server.call('POST', '/admin/trust-rules', {
    admin: true,
    json: {
      name,
      client_id: server.clientId,
      issuer: issuer.url,
      audience: server.issuer,
      subject: JOB.sub,
      ...rule,
    },
  })

const seconds = () => Math.floor(server.now / 1000)
const ask = (assertion: string, fields: Record<string, string> = {}) =>
  server.call('POST', '/oauth/token', {
    form: { grant_type: GRANT_TYPE, client_id: server.clientId, resource: BILLING, assertion, ...fields },
  })

async function lastEvent(type: string) {
  const path = `/audit/events?last=1&filter=${encodeURIComponent(`type=${type}`)}`
  return (await server.call('GET', path, { admin: true })).json.events[0].event
}

describe('the identity token of a job', () => {
  test('is worth what the base token of the client is worth, and the log says by which rule', async () => {
    const { status, json, headers } = await ask(issuer.sign(), { scope: 'billing:read', ttl_seconds: '30' })
    expect(status).toBe(200)
    expect(headers['cache-control']).toBe('no-store')
    expect(json).toMatchObject({ token_type: 'Bearer', expires_in: 30, scope: 'billing:read' })
    const base = decodeJwt(await server.pull())
    expect(decodeJwt(json.access_token)).toMatchObject({
      sub: server.user.id,
      aud: BILLING,
      client_id: server.clientId,
      authsec_grant: 'standing',
      parent_jti: base.jti,
    })
    const event = await lastEvent('token.exchanged')
    expect(event).toMatchObject({
      outcome: 'allow',
      client: server.clientId,
      details: {
        subject_token: 'assertion',
        trust_rule: 'deploy',
        assertion: { iss: issuer.url, sub: JOB.sub },
      },
    })
    expect(JSON.stringify(event)).not.toMatch(/eyJ/)
  })

  test('never lets what it becomes outlive it', async () => {
    const exp = Math.floor(server.now / 1000) + 20
    expect((await ask(issuer.sign({ exp }))).json.expires_in).toBe(20)
  })

  test.each([
    {
      why: 'of another branch',
      claims: { sub: 'repo:acme/shop:ref:refs/tags/v1' },
      says: /.deploy. wants another sub/,
    },
    {
      why: 'without the environment',
      claims: { environment: undefined },
      says: /.deploy. wants another environment/,
    },
    { why: 'for another server', claims: { aud: 'https://other.example' }, says: /wants another aud/ },
    { why: 'for nobody', claims: { aud: [] }, says: /wants another aud/ },
    { why: 'for a day and more', claims: { exp: () => seconds() + 86_431 }, says: /lives longer than a day/ },
    { why: 'that is an access token', header: { typ: 'at+jwt' }, says: /its type is .at\+jwt./ },
    { why: 'that is of another kind', header: { typ: 'oauth-id-jag+jwt' }, says: /its type is/ },
    { why: 'whose type is no text', header: { typ: 1 }, says: /its type is/ },
    {
      why: 'of another issuer',
      claims: { iss: 'https://evil.example' },
      says: /believes the issuer .https:\/\/evil\.example./,
    },
    { why: 'that has expired', claims: { exp: 1 }, says: /has expired/ },
    { why: 'that never expires', claims: { exp: undefined }, says: /has no exp/ },
    { why: 'that begins tomorrow', claims: { nbf: 9_999_999_999 }, says: /begins later/ },
    { why: 'without a signature', header: { alg: 'none' }, says: /no key of its issuer/ },
    { why: 'of a key that nobody knows', header: { kid: 'other' }, says: /no key of its issuer/ },
    { why: 'with a critical extension', header: { crit: ['b64'], b64: false }, says: /no key of its issuer/ },
  ])('$why is refused, and the refusal recorded', async ({ claims = {}, header = {}, says }) => {
    const said = Object.entries(claims).map(([name, value]) => [
      name,
      typeof value === 'function' ? value() : value,
    ])
    const { status, json } = await ask(issuer.sign(Object.fromEntries(said), header))
    expect({ status, error: json.error }).toEqual({ status: 400, error: 'invalid_grant' })
    expect(json.error_description).toMatch(says)
    expect(json.error_description).not.toContain('production')
    expect(await lastEvent('token.exchanged')).toMatchObject({ outcome: 'deny', reason: 'invalid_grant' })
  })

  test.each([
    { why: 'without it', fields: { assertion: '' }, error: 'invalid_request' },
    { why: 'with something else', fields: { assertion: 'nonsense' }, error: 'invalid_request' },
    {
      why: 'with a secret that it has not beside it',
      fields: { client_secret: 'x' },
      error: 'invalid_client',
    },
    {
      why: 'for an API outside the delegation',
      fields: { resource: 'https://evil.example' },
      error: 'invalid_target',
    },
    { why: 'for too much', fields: { scope: 'admin:access' }, error: 'invalid_scope' },
    { why: 'as nobody', fields: { client_id: 'x' }, error: 'invalid_client' },
    {
      why: 'as a client that no rule is about',
      fields: { client_id: '00000000-0000-4000-8000-000000000000' },
      error: 'invalid_client',
    },
  ])('is asked for $why in vain', async ({ fields, error }) => {
    expect((await ask(issuer.sign(), fields as Record<string, string>)).json.error).toBe(error)
  })

  test('that is for another server too is refused', async () => {
    for (const aud of [
      [server.issuer, 'https://evil.example'],
      [server.issuer, 1],
    ]) {
      const { json } = await ask(issuer.sign({ aud }))
      expect(json).toMatchObject({ error: 'invalid_grant' })
      expect(json.error_description).toMatch(/wants another aud/)
    }
    expect((await ask(issuer.sign({ aud: [server.issuer] }))).status).toBe(200)
  })

  test.each([{ typ: 'JWT' }, { typ: 'jwt' }, { typ: undefined }])('may have the type %j', async (header) => {
    expect((await ask(issuer.sign({}, header))).status).toBe(200)
  })

  test.each([
    { why: 'with a jti', claims: {}, next: {} },
    {
      why: 'without one',
      claims: { jti: undefined },
      next: { jti: undefined, run_attempt: '2' },
    },
  ])('$why is good for one use, of two at the same time as well', async ({ claims, next }) => {
    const assertion = issuer.sign(claims)
    const replies = await Promise.all([ask(assertion), ask(assertion)])
    expect(replies.map(({ status }) => status).sort()).toEqual([200, 400])
    expect((await ask(assertion, { resource: ORDERS })).json).toMatchObject({
      error: 'invalid_grant',
      error_description: expect.stringMatching(/has been used before/),
    })
    expect(await lastEvent('token.exchanged')).toMatchObject({ outcome: 'deny', reason: 'invalid_grant' })
    // It alone: the next one of the job is another.
    expect((await ask(issuer.sign(next))).status).toBe(200)
  })

  test('is known as used for as long as it would be taken', async () => {
    const assertion = issuer.sign()
    expect((await ask(assertion)).status).toBe(200)
    server.now += 299_999 - (server.now % 1000)
    // Whatever is forgotten is forgotten with the next one.
    expect((await ask(issuer.sign())).status).toBe(200)
    expect((await ask(assertion)).json.error_description).toMatch(/has been used before/)
  })

  test('uses nothing up of another issuer, which may give the same jti', async () => {
    const other = await startIdentityIssuer(() => server.now, server.issuer)
    onTestFinished(() => other.close())
    await trust('other', { issuer: other.url })
    for (const { sign } of [other, issuer]) expect((await ask(sign({ jti: 'same' }))).status).toBe(200)
  })

  test('that was refused is not used up', async () => {
    const assertion = issuer.sign()
    expect((await ask(assertion, { resource: 'https://evil.example' })).json.error).toBe('invalid_target')
    expect((await ask(assertion)).status).toBe(200)
  })

  test('counts no more once its rule is gone', async () => {
    await trust('short', { subject: 'repo:acme/other:**' })
    const assertion = issuer.sign({ sub: 'repo:acme/other:ref:refs/heads/main' })
    expect((await ask(assertion, { resource: ORDERS })).status).toBe(200)
    await server.call('DELETE', '/admin/trust-rules/short', { admin: true })
    expect((await ask(assertion, { resource: ORDERS })).json.error).toBe('invalid_grant')
  })
})

describe('a registered client', () => {
  const register = async (metadata: object) => {
    const client = await registerClient(server, { client_kind: 'agent', ...metadata })
    await trust(client.id, { client_id: client.id })
    return client
  }

  test('without the grant among its own is refused', async () => {
    const { id } = await register({ grant_types: ['client_credentials'] })
    const reply = await ask(issuer.sign(), { client_id: id })
    expect(reply).toMatchObject({ status: 400, json: { error: 'unauthorized_client' } })
  })

  // RFC 7521 §4.1: beside the grant a client may prove itself too. What it lacks here is a delegation.
  test('may prove itself beside the assertion', async () => {
    const { id, secret } = await register({ token_endpoint_auth_method: 'client_secret_post' })
    const proven = await ask(issuer.sign(), { client_id: id, client_secret: secret })
    expect(proven.json).toMatchObject({ error: 'invalid_grant' })
    expect(proven.json.error_description).toMatch(/no delegation/)
    const wrong = await ask(issuer.sign(), { client_id: id, client_secret: 'x' })
    expect(wrong).toMatchObject({ status: 401, json: { error: 'invalid_client' } })
  })

  test('that proves itself is the one whose rules count', async () => {
    const client = await registerClient(server, { token_endpoint_auth_method: 'client_secret_post' })
    const reply = await ask(issuer.sign(), { client_id: client.id, client_secret: client.secret })
    expect(reply.json).toMatchObject({ error: 'invalid_grant' })
    expect(reply.json.error_description).toMatch(/no trust rule of the client/)
  })
})

describe('the keys of an issuer', () => {
  test('are kept, and asked for again when another one signs', async () => {
    server.now += 600_000
    const before = issuer.keyRequests
    await Promise.all([ask(issuer.sign()), ask(issuer.sign())])
    expect(issuer.keyRequests).toBe(before + 1)
    issuer.rotate()
    expect((await ask(issuer.sign())).json.error).toBe('invalid_grant')
    expect(issuer.keyRequests).toBe(before + 1)
    server.now += 30_000
    expect((await ask(issuer.sign())).status).toBe(200)
    expect(issuer.keyRequests).toBe(before + 2)
  })

  test('are asked for every five seconds where that fails', async () => {
    server.now += 600_000
    const assertion = issuer.sign()
    issuer.metadata = { issuer: 'https://evil.example' }
    expect((await ask(assertion)).status).toBe(503)
    issuer.metadata = {}
    server.now += 4_999
    const before = issuer.keyRequests
    const { status, headers, json } = await ask(issuer.sign())
    expect({ status, after: headers['retry-after'] }).toEqual({ status: 503, after: '1' })
    expect(json.error_description).toMatch(/its metadata name another issuer/)
    expect(issuer.keyRequests).toBe(before)
    server.now += 1
    expect((await ask(issuer.sign())).status).toBe(200)
  })

  test.each([
    { why: 'name another issuer', metadata: { issuer: 'https://evil.example' } },
    { why: 'name no place', metadata: { jwks_uri: 'file:///etc/passwd' } },
    { why: 'lead nowhere', metadata: { jwks_uri: 'http://127.0.0.1:9/keys' } },
  ])('are not had where the metadata $why', async ({ metadata }) => {
    server.now += 600_000
    const assertion = issuer.sign()
    issuer.metadata = metadata
    const { status, json } = await ask(assertion)
    issuer.metadata = {}
    expect({ status, error: json.error }).toEqual({ status: 503, error: 'temporarily_unavailable' })
    expect(await lastEvent('token.exchanged')).toMatchObject({
      id: json.authsec_audit,
      outcome: 'deny',
      reason: 'temporarily_unavailable',
    })
  })
})

describe('the trust rules of an admin', () => {
  test('are made, shown, listed and deleted, and the log says so', async () => {
    const made = await trust('nightly', { claims: { ref: 'refs/heads/main' } })
    expect(made.status).toBe(201)
    expect(made.json).toMatchObject({ name: 'nightly', claims: { ref: 'refs/heads/main' } })
    expect(await lastEvent('trust.created')).toMatchObject({ outcome: 'allow', client: server.clientId })
    const path = '/admin/trust-rules/nightly'
    expect((await server.call('GET', path, { admin: true })).json).toEqual(made.json)
    const { json: listed } = await server.call('GET', '/admin/trust-rules', { admin: true })
    expect(listed).toContainEqual(made.json)
    expect((await trust('nightly')).status).toBe(409)
    expect((await server.call('DELETE', path, { admin: true })).json).toEqual({
      status: 'deleted',
      name: 'nightly',
    })
    expect(await lastEvent('trust.deleted')).toMatchObject({ outcome: 'allow', details: { name: 'nightly' } })
    expect((await server.call('GET', path, { admin: true })).status).toBe(404)
  })

  test.each([
    { why: 'a subject of stars', rule: { subject: '**' }, status: 400 },
    { why: 'an audience without an end', rule: { audience: 'a'.repeat(513) }, status: 400 },
    { why: 'an audience with a line break', rule: { audience: 'a\nb' }, status: 400 },
    { why: 'an issuer without an end', rule: { issuer: `https://${'a'.repeat(600)}` }, status: 400 },
    { why: 'no https address', rule: { issuer: 'http://ci.example' }, status: 400 },
    { why: 'a name with a slash', rule: { name: 'a/b' }, status: 400 },
    { why: 'claims that are no texts', rule: { claims: { a: 1 } }, status: 400 },
    { why: 'no client', rule: { client_id: '00000000-0000-4000-8000-000000000000' }, status: 404 },
  ])('are refused for $why', async ({ rule, status }) => {
    expect((await trust('bad', rule)).status).toBe(status)
  })

  test('are nobody else’s business', async () => {
    expect((await server.call('GET', '/admin/trust-rules')).status).toBe(401)
  })
})
