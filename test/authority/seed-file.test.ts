import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { DEV_SEED } from '../../src/authority/seed.js'
import { parseSeed } from '../../src/authority/seed-file.js'
import { AuthsecError } from '../../src/core/errors.js'

const PAIR = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const PUBLIC = { ...PAIR.publicKey.export({ format: 'jwk' }), kid: 'k1' }
const PRIVATE = { ...PAIR.privateKey.export({ format: 'jwk' }), kid: 'k1' }
const withKeys =
  (jwks: unknown) =>
  ({ clients }: Draft) =>
    Object.assign(clients[0] ?? {}, { jwks })

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

  test('says by which keys a client proves itself, and reports a wrong one without showing it', () => {
    const clients = [{ ...SEED.clients[0], jwks: { keys: [PUBLIC] } }]
    const [client] = parseSeed(JSON.stringify({ ...SEED, clients })).clients
    expect(client?.jwks).toEqual({ keys: [PUBLIC] })
    expect(refusalOf(withKeys({ keys: [PRIVATE] }))).not.toContain(PRIVATE.d)
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
      'users[1].roles[0]: no role "clark"',
      ({ users }) => Object.assign(users[1] ?? {}, { roles: ['clark'] }),
    ],
    [
      'a role named like a member of every object',
      'users[0].roles[0]: no role "toString"',
      ({ users }) => Object.assign(users[0] ?? {}, { roles: ['toString', 'boss'] }),
    ],
    [
      'a permission that is none',
      'roles.clerk[0]: "read billing" is not a permission',
      ({ roles }) => Object.assign(roles, { clerk: ['read billing'] }),
    ],
    [
      'a resource with a fragment',
      'resources[0].uri: "https://a.example#b" is not',
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
      'clients[0].agent_type: "a b" may hold',
      ({ clients }) => Object.assign(clients[0] ?? {}, { agent_type: 'a b' }),
    ],
    ['keys that are no key set', 'clients[0].jwks: is not an object', withKeys([PUBLIC])],
    ['no key in its key set', 'clients[0].jwks: has to hold 1 to 10 keys', withKeys({ keys: [] })],
    [
      'too many keys',
      'clients[0].jwks: has to hold 1 to 10 keys',
      withKeys({ keys: Array.from({ length: 11 }, () => PUBLIC) }),
    ],
    [
      'a private key',
      'clients[0].jwks: the key "k1" of jwks is not public',
      withKeys({ keys: [PUBLIC, PRIVATE] }),
    ],
    [
      'a key that is for another curve than its algorithm',
      'clients[0].jwks: a key of jwks (kty "EC", crv "P-256", alg "ES384") cannot sign',
      withKeys({ keys: [{ ...PUBLIC, alg: 'ES384' }] }),
    ],
    [
      'the address of keys',
      'clients[0].jwks_uri: is none of name, email,',
      ({ clients }) => Object.assign(clients[0] ?? {}, { jwks_uri: 'https://keys.example' }),
    ],
    [
      'a policy for a role that is missing',
      'policies[0].role_name: no role "x"',
      ({ policies }) => Object.assign(policies[0] ?? {}, { role_name: 'x' }),
    ],
    [
      'a policy over a resource that is missing',
      'policies[0].resources[0]: no resource "https://x.example"',
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
      'a role without a name',
      'roles: "" is no name of a role',
      ({ roles }) => Object.assign(roles, { '': ['billing:read'] }),
    ],
    [
      'a permission of a policy that no role has',
      'policies[0].allowed_permissions[1]: no role has "billing:write"',
      ({ policies }) => policies[0]?.allowed_permissions.push('billing:write'),
    ],
    [
      'a delegation to what is no agent',
      'delegations[0].client: client "Invoice bot" is no agent',
      ({ clients }) => Object.assign(clients[0] ?? {}, { client_type: 'application' }),
    ],
    [
      'a delegation to an agent of another kind than the policies',
      'delegations[0]: no enabled policy lets clerk delegate to agent type "crewai"',
      ({ clients }) => Object.assign(clients[0] ?? {}, { agent_type: 'crewai' }),
    ],
    [
      'a delegation to an agent of no kind',
      'delegations[0].client: agent "Invoice bot" has no agent_type',
      ({ clients }) => Reflect.deleteProperty(clients[0] ?? {}, 'agent_type'),
    ],
    [
      'a delegation under a policy that is off',
      'delegations[0]: no enabled policy lets clerk',
      ({ policies }) => Object.assign(policies[0] ?? {}, { enabled: false }),
    ],
    [
      'a delegation under a policy for another client',
      'delegations[0]: the policy is for client "Other", not "Invoice bot"',
      ({ clients, policies }) => {
        clients.push({ ...(clients[0] as (typeof clients)[number]), name: 'Other' })
        Object.assign(policies[0] ?? {}, { client: 'Other' })
      },
    ],
    [
      'a delegation of somebody without a role',
      'delegations[0]: "carol@example.test" has no roles',
      ({ users }) => Object.assign(users[1] ?? {}, { roles: [] }),
    ],
    [
      'a delegation of nothing',
      'delegations[0]: "carol@example.test" holds no permission that the policy allows',
      ({ roles }) => Object.assign(roles, { boss: ['admin:access', 'billing:read'], clerk: ['x:y'] }),
    ],
    [
      'a delegation for an API that is not registered',
      'delegations[0].audience[1]: no resource "https://zz"',
      ({ delegations }) =>
        Object.assign(delegations[0] ?? {}, { audience: ['https://billing.example', 'https://zz'] }),
    ],
    [
      'a delegation for an API outside the policy',
      'delegations[0].audience[0]: the policy does not reach "https://x.example"',
      ({ delegations, resources }) => {
        resources.push({ uri: 'https://x.example', permissions: [] })
        Object.assign(delegations[0] ?? {}, { audience: ['https://x.example'] })
      },
    ],
    [
      'nobody who may administer',
      'users: nobody has a role with admin:access',
      ({ roles }) => Object.assign(roles, { boss: [] }),
    ],
  ])('with %s is refused by its place', (_what, message, change) => {
    expect(refusalOf(change)).toContain(message)
  })

  test('lets a policy reach every resource', () => {
    const policies = [{ ...SEED.policies[0], resources: ['*'] }]
    expect(parseSeed(JSON.stringify({ ...SEED, policies })).policies[0]?.resources).toEqual(['*'])
  })

  test('reports every fault at once', () => {
    const message = refusalOf((seed) => {
      seed.tenant_id = 'x'
      Object.assign(seed.users[1] ?? {}, { roles: ['x'] })
      Object.assign(seed.delegations[0] ?? {}, { client: 'y' })
    })
    expect(message).toMatch(
      /^the seed has 3 faults: tenant_id: .+; users\[1\]\.roles\[0\]: .+; delegations\[0\]\.client: /,
    )
  })

  test('reports nothing twice, and keeps the places of what comes after what cannot be read', () => {
    const message = refusalOf((seed) => {
      Reflect.deleteProperty(seed.users[0] ?? {}, 'email')
      seed.users.unshift('eve' as never)
      Object.assign(seed.users[2] ?? {}, { roles: ['x'] })
    })
    expect(message).toBe(
      'the seed has 3 faults: users[0]: is not an object; users[1].email: is missing; users[2].roles[0]: no role "x"',
    )
  })

  test.each<[string, RegExp, (seed: Draft) => void]>([
    ['no object', /a fault: roles: is not an object$/, (seed) => Object.assign(seed, { roles: [] })],
    [
      'one without permissions',
      /a fault: roles\.\w+: is not a list of texts$/,
      ({ roles }) => Object.assign(roles, { [Object.keys(roles)[0] ?? '']: 'billing:read' }),
    ],
  ])('draws nothing from roles that cannot be read: %s', (_what, says, change) => {
    expect(refusalOf(change)).toMatch(says)
  })

  test('takes addresses that differ in case only for those of one user', () => {
    const message = refusalOf(({ users }) => {
      users.push({ ...users[1]!, email: 'Carol@Example.test' })
    })
    expect(message).toMatch(/: users\[2\]: has the email "Carol@Example\.test" of users\[1\]/)
    const { delegations: _, ...rest } = SEED
    expect(() => parseSeed(JSON.stringify(rest), { admin: SEED.users[0]!.email.toUpperCase() })).toThrow(
      /users\[\d\]: has the email ".+" of users\[0\]/,
    )
  })

  test('says where it stops being JSON', () => {
    expect(() => parseSeed('{\n  "roles": {},\n  "users": [,]\n}')).toThrow(
      /^the seed cannot be read: not valid JSON at line 3, column 13$/,
    )
  })

  test('needs neither a delegation nor an admin where that is not asked of it', () => {
    const { delegations: _, ...rest } = SEED
    const text = JSON.stringify({ ...rest, users: SEED.users.slice(1), roles: { clerk: ['billing:read'] } })
    const seed = parseSeed(text, { admin: 'ada@example.test' })
    expect(seed.users.at(-1)).toEqual({ email: 'ada@example.test', roles: ['admin'] })
    expect(() => parseSeed(JSON.stringify(rest), { delegation: true })).toThrow('delegations: is empty')
    expect(() => parseSeed(JSON.stringify(SEED), { admin: 'carol@example.test' })).toThrow(
      'users[1].roles: none of them has admin:access',
    )
  })

  test('takes passwords from the files that it names, and says what is wrong with them', () => {
    const files: Record<string, string> = { 'carol.txt': 'correct horse battery', 'short.txt': 'short' }
    const readPassword = (path: string) => {
      const password = files[path]
      if (password === undefined) throw new AuthsecError('usage', `${path} cannot be read`)
      return password
    }
    const [root, carol] = SEED.users
    const read = (first: string, second: string, admin?: string) =>
      parseSeed(
        JSON.stringify({
          ...SEED,
          users: [
            { ...root, password_file: first },
            { ...carol, password_file: second },
          ],
        }),
        { readPassword, admin },
      )
    expect(read('carol.txt', 'carol.txt').users[1]).toEqual({ ...carol, password: 'correct horse battery' })
    expect(() => read('none.txt', 'short.txt')).toThrow(
      'the seed has 2 faults: users[0].password_file: none.txt cannot be read; ' +
        'users[1].password_file: a password has to have 10 to 1024 characters',
    )
    expect(() => read('carol.txt', 'carol.txt', 'root@example.test')).toThrow(
      'users[0]: has a password: that of the admin is asked for instead',
    )
    const withFile = { ...SEED, users: [root, { ...carol, password_file: 'carol.txt' }] }
    expect(() => parseSeed(JSON.stringify(withFile))).toThrow(
      'users[1].password_file: is for a seed that is a file',
    )
  })

  test('makes nobody an admin but the one who is named', () => {
    const roles = { admin: ['billing:read'], 'server-admin': ['billing:read'] }
    const users = [{ email: 'bob@example.test', roles: ['admin', 'server-admin'] }]
    const seed = parseSeed(JSON.stringify({ roles, users }), { admin: 'ada@example.test' })
    const admins = seed.users.filter((user) =>
      user.roles.some((role) => seed.roles[role]?.includes('admin:access')),
    )
    expect(admins).toEqual([{ email: 'ada@example.test', roles: ['server-server-admin'] }])
  })

  test.each(['', '[]', '{"users":[],"users":[]}', '{'])('that is no JSON object is refused: %s', (text) => {
    expect(() => parseSeed(text)).toThrow(expect.objectContaining({ code: 'usage' }))
  })
})
