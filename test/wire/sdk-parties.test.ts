import { generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { matchesCall } from '../../src/core/call-binding.js'
import { parseJwt } from '../../src/core/jwt.js'
import { sha256 } from '../../src/core/sha256.js'
import { type AuthsecClient, type AuthsecClientOptions, createAuthsecClient } from '../../src/sdk/index.js'
import { type RunningServer, startServer } from '../../src/server/index.js'

const BILLING = 'https://billing.example'
const request = { audience: BILLING, permissions: ['billing:read'] }

let server: RunningServer

beforeAll(async () => {
  server = await startServer({ port: 0, state: ':memory:' })
  const policy = { role_name: 'admin', agent_type: 'langchain', allowed_permissions: ['billing:read'] }
  await callAdmin('/authsec/uflow/delegation-policies', { ...policy, resources: [BILLING] })
})

afterAll(async () => {
  await server?.close()
})

function createClient(options: Partial<AuthsecClientOptions> = {}): AuthsecClient {
  return createAuthsecClient({
    serverUrl: server.url,
    clientId: server.clientId,
    fetch: (input, init) => server.fetch(new Request(input, init)),
    ...options,
  })
}

async function callAdmin(path: string, body: object): Promise<Record<string, string>> {
  const headers = { authorization: `Bearer ${server.adminToken}`, 'content-type': 'application/json' }
  const init = { method: 'POST', headers, body: JSON.stringify(body) }
  const response = await server.fetch(new Request(`${server.url}${path}`, init))
  expect(response.ok, `${path} ${response.status}`).toBe(true)
  return (await response.json()) as Record<string, string>
}

/** Registers an agent that proves who it is, and delegates to it. */
async function registerAgent(metadata: object): Promise<Record<string, string>> {
  const response = await server.fetch(
    new Request(`${server.url}/oauth/register`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        client_name: 'careful',
        client_kind: 'agent',
        agent_type: 'langchain',
        grant_types: ['urn:ietf:params:oauth:grant-type:token-exchange'],
        ...metadata,
      }),
    }),
  )
  const client = (await response.json()) as Record<string, string>
  expect(response.status, JSON.stringify(client)).toBe(201)
  const path = `/authsec/uflow/admin/agents/${client['client_id']}/delegate-token`
  await callAdmin(path, { agent_type: 'langchain', audience: [BILLING] })
  return client
}

describe('the SDK and the bundled server agree on who asks', () => {
  test('with a private key', async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const { client_id: clientId = '' } = await registerAgent({
      token_endpoint_auth_method: 'private_key_jwt',
      jwks: { keys: [{ ...publicKey.export({ format: 'jwk' }), alg: 'ES256', kid: 'k1' }] },
    })
    const privateKeyJwt = { ...privateKey.export({ format: 'jwk' }), kid: 'k1' }
    const authsec = createClient({ clientId, credentials: { privateKeyJwt } })
    const token = await authsec.getDelegationToken(request)
    expect(parseJwt(token.reveal()).claims).toMatchObject({ client_id: clientId, sub: expect.any(String) })

    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })
    const other = createClient({ clientId, credentials: { privateKeyJwt: { ...stranger, kid: 'k1' } } })
    await expect(other.getDelegationToken()).rejects.toMatchObject({ code: 'invalid_client' })
  })

  test.each(['client_secret_basic', 'client_secret_post'] as const)('with a secret by %s', async (method) => {
    const { client_id: clientId = '', client_secret: clientSecret = '' } = await registerAgent({
      token_endpoint_auth_method: method,
    })
    const authsec = createClient({ clientId, credentials: { clientSecret, method } })
    expect(await authsec.getDelegationToken(request)).toMatchObject({ permissions: ['billing:read'] })
    const wrong = createClient({ clientId, credentials: { clientSecret: 'wrong', method } })
    await expect(wrong.getDelegationToken()).rejects.toMatchObject({ code: 'invalid_client' })
  })
})

describe('the SDK and the bundled server agree on for whom', () => {
  test('a session, and the call token of the hop before', async () => {
    const authsec = createClient()
    const subject = authsec.subject(server.adminToken)
    const token = await authsec.getDelegationToken({ ...request, subject })
    const { claims } = parseJwt(token.reveal())
    expect(claims).toMatchObject({ authsec_grant: 'user', act: { client_id: server.clientId } })
    expect(claims['sub']).not.toBe(server.user.id)

    const next = authsec.subject(token.reveal())
    const onward = await authsec.getDelegationToken({ ...request, subject: next, tool: 'get_bill' })
    expect(parseJwt(onward.reveal()).claims).toMatchObject({ sub: claims['sub'], tool: 'get_bill' })
  })

  test('and on whom not', async () => {
    const authsec = createClient()
    const subject = authsec.subject(`${server.adminToken.slice(0, -4)}AAAA`)
    await expect(authsec.getDelegationToken({ ...request, subject })).rejects.toMatchObject({
      code: expect.stringMatching(/^(?:subject_expired|invalid_request)$/),
    })
  })
})

describe('the SDK and the bundled server agree on for what', () => {
  test('a tool, a call, and one use', async () => {
    const authsec = createClient()
    const tool = 'get_bill'
    const call = { month: '2026-11', of: { name: 'ä', count: 3 } }
    const bound = await authsec.getDelegationToken({ ...request, tool, binding: 'call', call })
    const { header, claims } = parseJwt(bound.reveal())
    expect([header['typ'], claims['bind']]).toEqual(['authsec-call+jwt', ['tool', 'call']])
    expect(matchesCall(claims['call'], { aud: BILLING, tool, args: call }, sha256)).toBe(true)

    const toTool = await authsec.getDelegationToken({ ...request, tool, binding: 'tool' })
    expect(parseJwt(toTool.reveal()).claims).toMatchObject({ bind: ['tool'], tool })
    const once = await authsec.getDelegationToken({ ...request, oneTime: true })
    expect(parseJwt(once.reveal()).claims['one_time']).toBe(true)
  })
})

describe('the SDK and the bundled server agree on what a person approves', () => {
  test('a yes is worth one narrow call, and shows in its token', async () => {
    const by = await startServer({ port: 0, state: ':memory:', ciba: 'auto-approve' })
    const authsec = createAuthsecClient({ serverUrl: by.url, clientId: by.clientId })
    try {
      const question = { permissions: ['billing:read'], message: 'Read the bill of November?' }
      const subject = await (await authsec.requestApproval(question)).settled()
      const token = await authsec.getDelegationToken({ ...request, subject })
      expect(parseJwt(token.reveal()).claims).toMatchObject({ sub: by.user.id, authsec_grant: 'user' })
      await expect(
        authsec.getDelegationToken({
          audience: 'https://orders.example',
          permissions: ['orders:read'],
          subject,
        }),
      ).rejects.toMatchObject({ code: 'invalid_scope' })
    } finally {
      await authsec.close()
      await by.close()
    }
  })

  test.each([
    { why: 'a no', mode: 'auto-deny', asked: {}, code: 'approval_rejected' },
    { why: 'nobody', mode: 'auto-approve', asked: { user: 'nobody@example.com' }, code: 'unknown_user_id' },
  ] as const)('$why is $code', async ({ mode, asked, code }) => {
    const by = await startServer({ port: 0, state: ':memory:', ciba: mode })
    const authsec = createAuthsecClient({ serverUrl: by.url, clientId: by.clientId })
    try {
      const question = { permissions: ['billing:read'], message: 'Read the bill of November?', ...asked }
      const asking = authsec.requestApproval(question).then((approval) => approval.settled())
      await expect(asking).rejects.toMatchObject({ code })
    } finally {
      await authsec.close()
      await by.close()
    }
  })
})
