import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../../support/running-server.js'
import { formatUnsignedJwt } from '../../support/unsigned-jwt.js'

const STRANGER = '11111111-2222-4333-8444-555555555555'
const INVALID = { spiffe_id: '', valid: false, claims: null }

let server: TestServer
let token: string

beforeAll(async () => {
  server = await startTestServer()
  token = await server.pull()
})
afterAll(() => server.close())

const ask = (json: object) => server.call('POST', '/authsec/spiresvc/v1/jwt/validate', { json })
const lastEvent = async () =>
  (await server.call('GET', '/audit/events?filter=type=token.validated&last=1', { admin: true })).json
    .events[0].event

describe('validating a base token', () => {
  test.each(['/authsec/spiresvc', '/spiresvc', ''])('under %j tells what it says', async (prefix) => {
    const claims = decodeJwt(token)
    const json = { tenant_id: server.tenantId, token, audience: 'authsec-api' }
    expect(await server.call('POST', `${prefix}/v1/jwt/validate`, { json })).toMatchObject({ status: 200 })
    expect((await ask(json)).json).toEqual({
      spiffe_id: claims.sub,
      valid: true,
      claims,
      sub: claims.sub,
      tenant_id: server.tenantId,
      permissions: ['billing:read', 'orders:read', 'profile:read'],
      audience: ['authsec-api'],
      expires_at: claims.exp,
      issued_at: claims.iat,
    })
    expect(await lastEvent()).toMatchObject({ outcome: 'allow', client: server.clientId, jti: claims.jti })
  })

  test.each([
    { why: 'no token at all', question: () => ({ token: 'x' }), reason: 'token_malformed' },
    {
      why: 'a forged signature',
      question: () => ({ token: token.replace(/.{6}$/, 'AAAAAA') }),
      reason: 'signature_invalid',
    },
    {
      why: 'no signature',
      question: () => ({ token: formatUnsignedJwt({ alg: 'none', typ: 'JWT' }, decodeJwt(token)) }),
      reason: expect.stringMatching(/^(?:signature_invalid|token_malformed)$/),
    },
    { why: 'an admin session', question: () => ({ token: server.adminToken }), reason: 'type_mismatch' },
    {
      why: 'another tenant',
      question: () => ({ token, tenant_id: STRANGER }),
      reason: 'tenant_mismatch',
    },
    {
      why: 'another audience',
      question: () => ({ token, audience: ['https://billing.example'] }),
      reason: 'audience_mismatch',
    },
  ])('says no to $why, with 200, and records why', async ({ question, reason }) => {
    expect(await ask({ tenant_id: server.tenantId, ...question() })).toMatchObject({
      status: 200,
      json: INVALID,
    })
    expect(await lastEvent()).toMatchObject({ outcome: 'deny', reason })
  })

  test('says no to a call token', async () => {
    const { access_token: callToken } = (await server.exchange()).json
    expect((await ask({ tenant_id: server.tenantId, token: callToken })).json).toEqual(INVALID)
  })

  test.each([
    [{ token: 'x' }, 'tenant_id is required'],
    [{ tenant_id: 'x' }, 'token is required'],
    [{ tenant_id: 'x', token: 'x', audience: 1 }, 'audience "1" is not a list of strings'],
  ])('needs its fields: %j', async (json, message) => {
    expect(await ask(json)).toMatchObject({ status: 400, json: { error: { code: 'BAD_REQUEST', message } } })
  })

  // The last ones. As at AuthSec, validation knows nothing of revocation.
  test('still says yes to one that was revoked, and no once it has expired', async () => {
    const path = `/uflow/admin/agents/${server.clientId}/revoke-token`
    expect((await server.call('POST', path, { admin: true })).status).toBe(200)
    expect((await ask({ tenant_id: server.tenantId, token })).json.valid).toBe(true)
    server.now += 24 * 3_600_000
    expect((await ask({ tenant_id: server.tenantId, token })).json).toEqual(INVALID)
  })
})
