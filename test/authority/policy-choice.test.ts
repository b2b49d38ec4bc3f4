import { decodeJwt } from 'jose'
import { expect, test } from 'vitest'
import { type Seed, startServer } from '../../src/server/index.js'

const BILLING = 'https://billing.example'
const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange'

/** One user with many roles, each of which may delegate to agents of one kind: the first six to others than `bot`. */
const ROLES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
const SEED: Seed = {
  roles: {
    admin: ['admin:access'],
    ...Object.fromEntries(ROLES.map((role) => [role, ['billing:read', `billing:${role}`]])),
  },
  users: [{ email: 'ada@authsec.test', roles: ['admin', ...ROLES] }],
  resources: [{ uri: BILLING, permissions: ROLES.map((role) => `billing:${role}`) }],
  clients: ['other', 'bot', 'any'].map((name) => ({
    name,
    email: `${name}@authsec.test`,
    clientType: 'ai_agent',
    agentType: 'langchain',
  })),
  policies: ROLES.map((role, index) => ({
    roleName: role,
    agentType: 'langchain',
    allowedPermissions: [`billing:${role}`],
    resources: [BILLING],
    client: index < 4 ? 'other' : index === 7 ? 'bot' : undefined,
  })),
  delegations: ['bot', 'any', 'other'].map((client) => ({ client, user: 'ada@authsec.test' })),
}

// Random ids would choose the right one of so many by chance once in a while, three times over hardly ever.
test('a client gets what the policy that is bound to it says, then the first of the seed', async () => {
  const server = await startServer({ state: ':memory:', port: 0, seed: SEED })
  try {
    const clients = await list(server, `/clientms/tenants/${server.tenantId}/clients/getClients`)
    for (const [name, permission] of [
      ['bot', 'billing:h'],
      ['any', 'billing:e'],
      ['other', 'billing:a'],
    ]) {
      const clientId = clients.find((client) => client.name === name)?.client_id ?? ''
      const pulled = await ask(server, `/uflow/sdk/delegation-token?client_id=${clientId}`)
      expect(pulled.permissions, `granted to ${name}`).toEqual([permission])
      for (const [subject, type] of [
        [pulled.token, 'urn:ietf:params:oauth:token-type:jwt'],
        [server.adminToken, 'urn:ietf:params:oauth:token-type:id_token'],
      ]) {
        const { access_token } = await ask(server, '/oauth/token', {
          method: 'POST',
          body: new URLSearchParams({
            grant_type: EXCHANGE,
            client_id: clientId,
            subject_token: subject,
            subject_token_type: type,
            resource: BILLING,
          }),
        })
        expect(decodeJwt(access_token)['permissions'], `${name} exchanges ${type}`).toEqual([permission])
      }
    }
  } finally {
    await server.close()
  }
})

type Served = Awaited<ReturnType<typeof startServer>>

// biome-ignore lint/suspicious/noExplicitAny: an answer is whatever the server says; the test looks closer.
async function ask(server: Served, path: string, init: RequestInit = {}): Promise<any> {
  const reply = await server.fetch(new Request(`${server.url}${path}`, init))
  expect(reply.status, await reply.clone().text()).toBe(200)
  return reply.json()
}

async function list(server: Served, path: string): Promise<{ client_id: string; name: string }[]> {
  return (await ask(server, path, { headers: { authorization: `Bearer ${server.adminToken}` } })).clients
}
