import { describe, expect, test } from 'vitest'
import { DEV_SEED } from '../../src/authority/seed.js'
import { parseSeed } from '../../src/authority/seed-file.js'

const SEED = {
  tenant_id: '11111111-1111-4111-8111-111111111111',
  roles: { boss: ['admin:access'], clerk: ['billing:read'] },
  users: [
    { email: 'root@example.test', roles: ['boss'] },
    { email: 'carol@example.test', roles: ['clerk'] },
  ],
  resources: [{ uri: 'https://billing.example', permissions: ['billing:read'] }],
  clients: [{ name: 'Invoice bot', client_type: 'ai_agent', agent_type: 'langchain' }],
  policies: [
    {
      role_name: 'clerk',
      agent_type: 'langchain',
      allowed_permissions: ['billing:read'],
      resources: ['https://billing.example'],
      client: 'Invoice bot',
    },
  ],
  delegations: [{ client: 'Invoice bot', user: 'carol@example.test', ttl_seconds: 600 }],
}

type Draft = typeof SEED & Record<string, unknown>

function refusalOf(change: (seed: Draft) => void): string {
  const draft = structuredClone(SEED) as Draft
  change(draft)
  try {
    parseSeed(JSON.stringify(draft))
  } catch (error) {
    expect(error).toMatchObject({ code: 'usage' })
    return (error as Error).message
  }
  throw new Error('the seed was accepted')
}

describe('a seed file', () => {
  test('says who and what a state starts with', () => {
    expect(parseSeed(JSON.stringify(SEED))).toMatchObject({
      tenantId: SEED.tenant_id,
      roles: SEED.roles,
      clients: [{ name: 'Invoice bot', email: 'invoice-bot@authsec.test', agentType: 'langchain' }],
      policies: [{ roleName: 'clerk', resources: ['https://billing.example'], client: 'Invoice bot' }],
      delegations: [{ client: 'Invoice bot', user: 'carol@example.test', ttlSeconds: 600 }],
    })
  })

  test('can say what the dev seed says', () => {
    const { roles, users, resources, delegations } = DEV_SEED
    const text = JSON.stringify({
      roles,
      users,
      resources,
      delegations,
      clients: DEV_SEED.clients.map(({ name, email, clientType, agentType }) => ({
        name,
        email,
        client_type: clientType,
        agent_type: agentType,
      })),
      policies: DEV_SEED.policies.map((policy) => ({
        role_name: policy.roleName,
        agent_type: policy.agentType,
        allowed_permissions: policy.allowedPermissions,
        resources: policy.resources,
        max_ttl_seconds: policy.maxTtlSeconds,
      })),
    })
    expect(JSON.parse(JSON.stringify(parseSeed(text)))).toEqual(JSON.parse(JSON.stringify(DEV_SEED)))
  })

  test.each<[string, string, (seed: Draft) => void]>([
    ['a tenant that is no UUID', 'tenant_id: "x"', (seed) => (seed.tenant_id = 'x')],
    ['a member nobody knows', 'polices: is none of', (seed) => (seed['polices'] = [])],
    [
      'a member of a user nobody knows',
      'users[0].password: is none of email, roles',
      ({ users }) => {
        Object.assign(users[0] as object, { password: 'secret' })
      },
    ],
    ['a list that is none', 'users: is not a list', (seed) => Object.assign(seed, { users: {} })],
    ['an item that is no object', 'users[2]: is not an object', (seed) => seed.users.push('eve' as never)],
    [
      'no e-mail address',
      'users[1].email: is missing',
      ({ users }) => Reflect.deleteProperty(users[1] ?? {}, 'email'),
    ],
    [
      'an address that is none',
      'users[1].email: "carol"',
      ({ users }) => Object.assign(users[1] ?? {}, { email: 'carol' }),
    ],
    [
      'a role nobody has defined',
      'users[1].roles: no role "clark"',
      ({ users }) => Object.assign(users[1] ?? {}, { roles: ['clark'] }),
    ],
    [
      'a role named like a member of every object',
      'users[1].roles: no role "toString"',
      ({ users }) => Object.assign(users[1] ?? {}, { roles: ['toString'] }),
    ],
    [
      'a permission that is none',
      'roles: ',
      ({ roles }) => Object.assign(roles, { clerk: ['read billing'] }),
    ],
    [
      'a resource with a fragment',
      'resources[0]: ',
      ({ resources }) => Object.assign(resources[0] ?? {}, { uri: 'https://a.example#b' }),
    ],
    [
      'two resources of one URI',
      'resources[1]: has the uri "https://billing.example" of resources[0]',
      ({ resources }) => resources.push(...structuredClone(resources)),
    ],
    [
      'two clients of one name',
      'clients[1]: has the name',
      ({ clients }) => clients.push(...structuredClone(clients)),
    ],
    [
      'an agent type that fits no SPIFFE id',
      'clients[0]: agent_type "a b"',
      ({ clients }) => Object.assign(clients[0] ?? {}, { agent_type: 'a b' }),
    ],
    [
      'a policy for a role that is missing',
      'policies[0].role_name: no role "x"',
      ({ policies }) => Object.assign(policies[0] ?? {}, { role_name: 'x' }),
    ],
    [
      'a policy over a resource that is missing',
      'policies[0].resources: no resource',
      ({ policies }) => Object.assign(policies[0] ?? {}, { resources: ['https://x.example'] }),
    ],
    [
      'a policy for a client that is missing',
      'policies[0].client: no client "x"',
      ({ policies }) => Object.assign(policies[0] ?? {}, { client: 'x' }),
    ],
    [
      'a policy without resources',
      'policies[0].resources: is missing',
      ({ policies }) => Reflect.deleteProperty(policies[0] ?? {}, 'resources'),
    ],
    [
      'a life that is none',
      'delegations[0].ttl_seconds: is not',
      ({ delegations }) => Object.assign(delegations[0] ?? {}, { ttl_seconds: 0 }),
    ],
    [
      'a delegation of nobody',
      'delegations[0].user: no user "x@y"',
      ({ delegations }) => Object.assign(delegations[0] ?? {}, { user: 'x@y' }),
    ],
    [
      'a delegation to nobody',
      'delegations[0].client: no client "x"',
      ({ delegations }) => Object.assign(delegations[0] ?? {}, { client: 'x' }),
    ],
    [
      'nobody who may administer',
      'users: nobody has a role with admin:access',
      ({ roles }) => Object.assign(roles, { boss: [] }),
    ],
  ])('with %s is refused by its place', (_what, message, change) => {
    expect(refusalOf(change)).toContain(message)
  })

  test('reports every fault at once', () => {
    const message = refusalOf((seed) => {
      seed.tenant_id = 'x'
      Object.assign(seed.users[1] ?? {}, { roles: ['x'] })
      Object.assign(seed.delegations[0] ?? {}, { client: 'y' })
    })
    expect(message).toMatch(
      /^the seed has 3 faults: tenant_id: .+; users\[1\]\.roles: .+; delegations\[0\]\.client: /,
    )
  })

  test.each(['', '[]', '{"users":[],"users":[]}', '{'])('that is no JSON object is refused: %s', (text) => {
    expect(() => parseSeed(text)).toThrow(expect.objectContaining({ code: 'usage' }))
  })
})
