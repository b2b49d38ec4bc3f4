import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GRANT_TYPE_TOKEN_EXCHANGE, TOKEN_TYPE_JWT } from '../../src/core/claims.js'
import { type RunningServer, startServer } from '../../src/server/index.js'
import { createVerifier } from '../../src/verify/index.js'

const BILLING = 'https://billing.example'

let server: RunningServer
beforeAll(async () => {
  server = await startServer({ port: 0, state: ':memory:' })
})
afterAll(() => server.close())

async function pullBaseToken(): Promise<string> {
  const response = await fetch(
    `${server.url}/authsec/uflow/sdk/delegation-token?client_id=${server.clientId}`,
  )
  return ((await response.json()) as { token: string }).token
}

async function exchange(subjectToken: string): Promise<string> {
  const response = await fetch(`${server.url}/oauth/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: GRANT_TYPE_TOKEN_EXCHANGE,
      subject_token: subjectToken,
      subject_token_type: TOKEN_TYPE_JWT,
      client_id: server.clientId,
      resource: BILLING,
      tool: 'get_customer_billing',
    }),
  })
  return ((await response.json()) as { access_token: string }).access_token
}

describe('tokens of the bundled server', () => {
  test.each(['127.0.0.1', 'localhost'])(
    'are verified by what the server publishes, by the name %s',
    async (name) => {
      const serverUrl = server.url.replace('127.0.0.1', name)
      const verifier = createVerifier({ serverUrl, audience: BILLING, profiles: ['call', 'base'] })
      const baseToken = await pullBaseToken()
      const delegation = await verifier.verify(await exchange(baseToken), {
        permissions: ['billing:read'],
        tool: 'get_customer_billing',
      })
      expect(delegation).toMatchObject({
        profile: 'call',
        user: { id: server.user.id },
        actor: { clientId: server.clientId },
        claims: { tenant_id: server.tenantId },
      })
      const base = createVerifier({ serverUrl, audience: 'authsec-api', profiles: ['base'] })
      await expect(base.verify(baseToken)).resolves.toMatchObject({
        profile: 'base',
        user: { id: server.user.id },
        actor: { clientId: server.clientId },
      })
    },
  )

  test('are refused by another API, and the base token by every API', async () => {
    const baseToken = await pullBaseToken()
    const token = await exchange(baseToken)
    const profile = createVerifier({ serverUrl: server.url, audience: 'https://profile.example' })
    await expect(profile.verify(token)).rejects.toMatchObject({ code: 'audience_mismatch' })
    const billing = createVerifier({ serverUrl: server.url, audience: BILLING })
    await expect(billing.verify(baseToken)).rejects.toMatchObject({ code: 'type_mismatch' })
    await expect(billing.verify(token, { permissions: ['billing:refund'] })).rejects.toMatchObject({
      code: 'permission_missing',
      auditId: expect.any(String),
    })
  })
})
