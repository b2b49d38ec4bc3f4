import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hashSigningInput } from '../../../src/authority/signer.js'
import { QUIRK_ENDPOINTS } from '../../../src/server/endpoints.js'
import { QUIRKS } from '../../../src/server/quirks.js'
import { startTestServer, type TestServer, UUID } from '../../support/running-server.js'

const STRANGER = '11111111-2222-4333-8444-555555555555'

let plain: TestServer
let quirky: TestServer

beforeAll(async () => {
  plain = await startTestServer()
  quirky = await startTestServer({ quirks: Object.keys(QUIRKS) })
})
afterAll(() => Promise.all([plain.close(), quirky.close()]))

const lastQuirk = async () =>
  (await quirky.call('GET', '/audit/events?filter=type=quirk.used&last=1', { admin: true })).json.events[0]
    .event

/** How the log knows a token. */
const recordOf = (token: string) => {
  const { jti } = decodeJwt(token)
  return { ...(jti && { jti }), token_hash: hashSigningInput(token.slice(0, token.lastIndexOf('.'))) }
}

describe('what is dangerous', () => {
  const doors = QUIRK_ENDPOINTS.flatMap(({ method, paths }) => paths.map((path) => [method, path] as const))

  test.each(doors)('%s %s is not there unless it was asked for', async (method, path) => {
    const call = { admin: true, json: method === 'POST' ? {} : undefined }
    expect((await plain.call(method, path, call)).status).toBe(404)
    expect((await quirky.call(method, path, call)).status).not.toBe(404)
  })

  test.each(QUIRK_ENDPOINTS.map((endpoint) => [endpoint.paths[0], endpoint] as const))(
    '%s has a name by which it is asked for, and is served in dev mode alone',
    (_path, { quirk, modes, event }) => {
      expect(Object.keys(QUIRKS)).toContain(quirk)
      expect(modes).toEqual(['dev'])
      expect(event).toBe('quirk.used')
    },
  )

  test('comes alone when it is asked for alone', async () => {
    const server = await startTestServer({ quirks: ['renew'] })
    expect((await server.call('POST', '/v1/jwt/renew', { json: {} })).status).toBe(400)
    expect((await server.call('GET', '/authsec/spire/audit/logs')).status).toBe(404)
    await server.close()
  })

  test.each(['', 'everything', 'constructor', 'renew '])('is refused by the name %j', async (name) => {
    await expect(startTestServer({ quirks: [name] })).rejects.toMatchObject({
      code: 'usage',
      hint: 'Known quirks: issue-delegated, renew, spire-audit-export, token-generate.',
    })
  })
})

describe('renew', () => {
  test('extends a token past its policy; what comes verifies and cannot be exchanged', async () => {
    const token = await quirky.pull()
    quirky.now += 3_600_000
    const json = { tenant_id: quirky.tenantId, token }
    const { status, json: renewed } = await quirky.call('POST', '/authsec/spiresvc/v1/jwt/renew', { json })
    expect(status).toBe(200)
    expect(Object.keys(renewed)).toEqual(['spiffe_id', 'token', 'expires_at'])
    const { exp, iat, nbf, jti, ...rest } = decodeJwt(token)
    const end = (exp ?? 0) + 3_600
    expect(decodeJwt(renewed.token)).toMatchObject({ ...rest, exp: end })
    expect(Date.parse(renewed.expires_at)).toBe(end * 1_000)
    const validated = await quirky.call('POST', '/v1/jwt/validate', {
      json: { ...json, token: renewed.token },
    })
    expect(validated.json.valid).toBe(true)
    expect(await quirky.exchange({ subject_token: renewed.token })).toMatchObject({
      status: 400,
      json: { error: 'invalid_grant' },
    })
    expect(await lastQuirk()).toMatchObject({
      ...recordOf(renewed.token),
      outcome: 'allow',
      details: { quirk: 'renew' },
    })
  })

  test.each(['x', ''])('refuses %j', async (token) => {
    const json = { tenant_id: quirky.tenantId, token }
    const reply = await quirky.call('POST', '/v1/jwt/renew', { json })
    expect(reply).toMatchObject(
      token === ''
        ? { status: 400, json: { error: { code: 'BAD_REQUEST', message: 'token is required' } } }
        : { status: 401, json: { error: { code: 'UNAUTHORIZED', message: 'invalid token' } } },
    )
    expect(await lastQuirk()).toMatchObject({ outcome: 'deny' })
  })
})

describe('issue-delegated', () => {
  const issue = (json: object, admin = true) =>
    quirky.call('POST', '/authsec/spiresvc/v1/jwt/issue-delegated', { json, admin })
  const request = () => ({
    tenant_id: quirky.tenantId,
    spiffe_id: `spiffe://${quirky.tenantId}/me`,
    audience: ['authsec-api'],
    ttl: 999_999,
    custom_claims: { permissions: ['everything:do'], roles: ['admin'], is_admin: true, sub: 'x', exp: 1 },
  })

  test('signs the claims that AuthSec lets through, for as long as somebody likes', async () => {
    const { status, json } = await issue(request())
    expect(status).toBe(200)
    const claims = decodeJwt(json.token)
    expect(claims).toEqual({
      iss: `spiffe://${quirky.tenantId}`,
      sub: `spiffe://${quirky.tenantId}/me`,
      aud: ['authsec-api'],
      permissions: ['everything:do'],
      iat: expect.any(Number),
      nbf: claims.iat,
      exp: (claims.iat ?? 0) + 999_999,
      jti: expect.stringMatching(UUID),
    })
    expect(await lastQuirk()).toMatchObject({
      ...recordOf(json.token),
      outcome: 'allow',
      actor: { type: 'user' },
      aud: ['authsec-api'],
      details: { quirk: 'issue-delegated' },
    })
  })

  test.each([0, -1, undefined])('has one asked for with the ttl %j live for a day', async (ttl) => {
    const { exp = 0, iat = 0 } = decodeJwt((await issue({ ...request(), ttl })).json.token)
    expect(exp - iat).toBe(86_400)
  })

  test('refuses another tenant, a name outside it, and nobody', async () => {
    expect(await issue({ ...request(), tenant_id: STRANGER })).toMatchObject({
      status: 403,
      json: { error: { code: 'FORBIDDEN' } },
    })
    expect(await issue({ ...request(), spiffe_id: 'spiffe://example.org/x' })).toMatchObject({
      status: 403,
      json: { error: { code: 'FORBIDDEN' } },
    })
    expect(await issue(request(), false)).toMatchObject({
      status: 401,
      json: { error: { code: 'UNAUTHORIZED' } },
    })
    expect(await issue({ ...request(), custom_claims: 'x' })).toMatchObject({ status: 400 })
  })
})

describe('token-generate', () => {
  const request = () => ({
    tenant_id: quirky.tenantId,
    project_id: quirky.tenantId,
    client_id: quirky.clientId,
    email_id: 'anybody@authsec.test',
  })

  test.each([
    { secret: {}, kid: 'default' },
    { secret: { secret_id: 'anything' }, kid: 'sdk-agent' },
  ])('signs a session that opens nothing, under the key id $kid', async ({ secret, kid }) => {
    const json = { ...request(), ...secret }
    const { status, json: body } = await quirky.call('POST', '/authsec/authmgr/token/generate', { json })
    expect(status).toBe(200)
    expect(body).toEqual({ access_token: expect.any(String), token_type: 'Bearer', expires_in: 86_400 })
    expect(decodeProtectedHeader(body.access_token).kid).toBe(kid)
    expect(decodeJwt(body.access_token)).not.toHaveProperty('user_id')
    const details = { quirk: 'token-generate' }
    expect(await lastQuirk()).toMatchObject({ ...recordOf(body.access_token), outcome: 'allow', details })
    const headers = { authorization: `Bearer ${body.access_token}` }
    expect((await quirky.call('GET', '/authsec/uflow/admin/agents', { headers })).status).toBe(401)
  })

  test('refuses another tenant', async () => {
    const json = { ...request(), tenant_id: STRANGER }
    expect(await quirky.call('POST', '/authmgr/token/generate', { json })).toMatchObject({ status: 403 })
  })
})

describe('spire-audit-export', () => {
  test('shows the log to anybody', async () => {
    const { json } = await quirky.call('GET', '/authsec/spire/audit/logs?limit=2')
    expect(json).toMatchObject({ page: 1, limit: 2 })
    expect(json.logs).toHaveLength(2)
    expect(json.logs[0]).toEqual(
      expect.objectContaining({
        id: expect.stringMatching(UUID),
        action: expect.any(String),
        decision: expect.stringMatching(/^(?:allow|deny)$/),
        context: expect.any(Object),
        timestamp: expect.stringMatching(/Z$/),
      }),
    )
    const whole = await quirky.call('GET', '/spire/audit/logs/export')
    expect(whole.headers['content-disposition']).toBe('attachment; filename="spire-audit-logs.json"')
    expect(whole.json.length).toBeGreaterThan(2)
    expect(whole.text).not.toMatch(/eyJ/)
  })

  test.each([
    { path: '/authsec/spire/audit/logs?limit=2', events: 2 },
    { path: '/authsec/spire/audit/logs/export', events: expect.any(Number) },
  ])('is itself in the log, with what was handed out: $path', async ({ path, events }) => {
    const { json } = await quirky.call('GET', path)
    const handedOut = (json.logs ?? json).map(({ id }: { id: string }) => id)
    const record = await lastQuirk()
    expect(record).toMatchObject({
      outcome: 'allow',
      source: `GET ${path.split('?')[0]?.replace('/authsec', '')}`,
      details: { quirk: 'spire-audit-export', events, personal: true },
    })
    expect(handedOut).not.toContain(record.id)
  })

  test('records a page that nobody can have', async () => {
    expect(await quirky.call('GET', '/authsec/spire/audit/logs?page=0')).toMatchObject({ status: 400 })
    expect(await lastQuirk()).toMatchObject({ outcome: 'deny', details: { quirk: 'spire-audit-export' } })
  })
})
