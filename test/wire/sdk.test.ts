import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseJwt } from '../../src/core/jwt.js'
import { type AuthsecClient, type AuthsecClientOptions, createAuthsecClient } from '../../src/sdk/index.js'
import { type RunningServer, startServer } from '../../src/server/index.js'
import { refuseConnection } from '../support/stub-authsec.js'

const BILLING = 'https://billing.example'
const STRANGER = '11111111-2222-4333-8444-555555555555'

let server: RunningServer

beforeAll(async () => {
  server = await startServer({ port: 0, state: ':memory:' })
})

afterAll(async () => {
  await server?.close()
})

/** A client that speaks to the server without a socket. */
function createClient(options: Partial<AuthsecClientOptions> = {}): AuthsecClient {
  return createAuthsecClient({
    serverUrl: server.url,
    clientId: server.clientId,
    fetch: (input, init) => server.fetch(new Request(input, init)),
    ...options,
  })
}

async function callAdmin(path: string, body: object): Promise<Response> {
  const headers = { authorization: `Bearer ${server.adminToken}`, 'content-type': 'application/json' }
  const init = { method: 'POST', headers, body: JSON.stringify(body) }
  return server.fetch(new Request(`${server.url}${path}`, init))
}

describe('the SDK and the bundled server', () => {
  test('agree on the base token', async () => {
    const token = await createClient().getDelegationToken()
    expect(token.permissions).toEqual(['billing:read', 'orders:read', 'profile:read'])
    expect(parseJwt(token.reveal()).claims).toMatchObject({ client_id: server.clientId, jti: token.jti })
  })

  test('agree on a call token', async () => {
    const token = await createClient().getDelegationToken({
      audience: BILLING,
      permissions: ['billing:read'],
      tool: 'get_bill',
      ttlSeconds: 30,
    })
    const { claims } = parseJwt(token.reveal())
    expect(claims).toMatchObject({
      sub: server.user.id,
      aud: BILLING,
      scope: 'billing:read',
      tool: 'get_bill',
    })
    expect(token).toMatchObject({ jti: claims['jti'], auditId: claims['authsec_audit'], audience: [BILLING] })
    expect(Math.round((token.expiresAt.getTime() - Date.now()) / 1000)).toBeGreaterThanOrEqual(29)
  })

  test('agree on what remains when no permission is named', async () => {
    const token = await createClient().getDelegationToken({ audience: BILLING })
    expect(token.permissions).toEqual(['billing:read'])
  })

  test.each([
    {
      why: 'a permission outside the policy',
      request: { audience: BILLING, permissions: ['billing:refund'] },
      code: 'invalid_scope',
    },
    {
      why: 'a permission of another API',
      request: { audience: BILLING, permissions: ['orders:read'] },
      code: 'invalid_scope',
    },
    {
      why: 'an API that nobody registered',
      request: { audience: 'https://evil.example' },
      code: 'invalid_target',
    },
    { why: 'an API with a slash too many', request: { audience: `${BILLING}/` }, code: 'invalid_target' },
  ])('agree on the refusal of $why, with its record', async ({ request, code }) => {
    await expect(createClient().getDelegationToken(request)).rejects.toMatchObject({
      code,
      retryable: false,
      auditId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      requestId: expect.any(String),
    })
  })

  test('agree on a client that nobody registered', async () => {
    const asked = createClient({ clientId: STRANGER }).getDelegationToken()
    await expect(asked).rejects.toMatchObject({ code: 'client_not_found' })
  })

  test('cost one pull and one exchange for a hundred cold parallel calls', async () => {
    const paths: string[] = []
    const authsec = createClient({
      fetch: (input, init) => {
        paths.push(new URL(String(input)).pathname)
        return server.fetch(new Request(input, init))
      },
    })
    const request = { audience: BILLING, permissions: ['billing:read'] }
    await Promise.all(Array.from({ length: 100 }, () => authsec.getDelegationToken(request)))
    expect(paths.sort()).toEqual([
      '/.well-known/oauth-authorization-server',
      '/authsec/uflow/sdk/delegation-token',
      '/oauth/token',
    ])
  })

  // The last one: it takes the delegation away.
  test('ask a person once where the answer to the question is lost', async () => {
    const answers: string[] = []
    const authsec = createClient({
      async fetch(input, init) {
        const response = await server.fetch(new Request(input, init))
        if (!String(input).endsWith('/oauth/bc-authorize')) return response
        answers.push(await response.clone().text())
        return answers.length === 1 ? refuseConnection() : response
      },
    })
    await authsec.requestApproval({ permissions: ['billing:read'], message: 'Read the bills?' })
    const [lost, heard] = answers.map((answer) => JSON.parse(answer).auth_req_id)
    expect(heard).toBe(lost)
    const url = `${server.url}/audit/events?filter=type=approval.requested&last=9`
    const headers = { authorization: `Bearer ${server.adminToken}` }
    expect(await (await server.fetch(new Request(url, { headers }))).json()).toMatchObject({
      events: [{ event: { type: 'approval.requested', outcome: 'allow' } }],
    })
  })

  test('agree on a delegation that was replaced, and on one that was revoked', async () => {
    const authsec = createClient()
    const request = { audience: BILLING, permissions: ['billing:read'] }
    const before = await authsec.getDelegationToken()
    const policy = { role_name: 'admin', agent_type: 'langchain', allowed_permissions: ['billing:read'] }
    await callAdmin('/authsec/uflow/delegation-policies', { ...policy, resources: [BILLING] })
    const agent = `/authsec/uflow/admin/agents/${server.clientId}`
    const granted = await callAdmin(`${agent}/delegate-token`, {
      agent_type: 'langchain',
      audience: [BILLING],
    })
    expect(granted.status).toBe(200)
    await expect(authsec.getDelegationToken(request)).resolves.toMatchObject({ audience: [BILLING] })
    expect(authsec.peek()?.jti).not.toBe(before.jti)

    expect((await callAdmin(`${agent}/revoke-token`, {})).status).toBe(200)
    const refreshed = authsec.getDelegationToken({ ...request, forceRefresh: true })
    await expect(refreshed).rejects.toMatchObject({ code: 'no_delegation' })
    expect(authsec.stats().entries).toBe(0)
  })
})
