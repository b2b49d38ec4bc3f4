import { AGENT_CLIENT_TYPE } from '../authority/clients.js'
import type { Seed } from '../authority/seed.js'
import { ADMIN_PERMISSION } from '../authority/sessions.js'
import { MAX_BASE_TTL } from '../core/delegation.js'

/** Who may do what in a test. Users and agents have names; a user's e-mail address is `NAME@authsec.test`. */
export interface TestWorld {
  /** The users, and what each of them may do. */
  users: Readonly<Record<string, readonly string[]>>
  /** The agents, and which user has delegated to each of them; `undefined` for one that only acts in users' runs. */
  agents: Readonly<Record<string, string | undefined>>
  /** What users may let agents do, and at which APIs. */
  policies: readonly TestPolicy[]
}

export interface TestPolicy {
  permissions: readonly string[]
  /** The APIs, by the names that their tokens carry. */
  resources: readonly string[]
  /** The one agent that it is for; all of them by default. */
  agent?: string
}

/** Alice and Bob, an agent to which Alice has delegated, and a billing API that may be read. */
export const DEFAULT_WORLD: TestWorld = {
  users: { alice: ['billing:read', 'billing:refund'], bob: ['billing:read', 'billing:refund'] },
  agents: { agent: 'alice' },
  policies: [{ permissions: ['billing:read'], resources: ['https://billing.example'] }],
}

/** The APIs of a test, and what agents may be let do there. */
export function listResources({ policies }: TestWorld): ReadonlyMap<string, ReadonlySet<string>> {
  const resources = new Map<string, Set<string>>()
  for (const policy of policies) {
    for (const uri of policy.resources) {
      const permissions = resources.get(uri) ?? new Set()
      resources.set(uri, permissions)
      for (const permission of policy.permissions) permissions.add(permission)
    }
  }
  return resources
}

/** The seed of a server that is as a test wants the world to be; `owners` are the ids of the clients that run the APIs. */
export function createTestSeed(world: TestWorld, owners: ReadonlyMap<string, string> = new Map()): Seed {
  const { users, agents, policies } = world
  return {
    roles: {
      ...users,
      // A test may well have a policy over what no user of it may do.
      'authsec-admin': [
        ADMIN_PERMISSION,
        ...Object.values(users).flat(),
        ...policies.flatMap(({ permissions }) => permissions),
      ],
    },
    users: [
      { email: emailOf('authsec-admin'), roles: ['authsec-admin'] },
      // A role of its own for each user: what one may do says nothing about the others.
      ...Object.keys(users).map((name) => ({ email: emailOf(name), roles: [name] })),
    ],
    resources: [...listResources(world)].map(([uri, permissions]) => ({
      uri,
      permissions: [...permissions],
      clientId: owners.get(uri),
    })),
    clients: Object.keys(agents).map((name) => ({
      name,
      email: emailOf(name),
      clientType: AGENT_CLIENT_TYPE,
      // The server knows one policy for a role and a kind of agent: each agent is of its own kind.
      agentType: name,
    })),
    policies: Object.keys(agents).flatMap((agent) => {
      const own = policies.filter((policy) => policy.agent === undefined || policy.agent === agent)
      if (own.length === 0) return []
      return Object.keys(users).map((roleName) => ({
        roleName,
        agentType: agent,
        allowedPermissions: [...new Set(own.flatMap(({ permissions }) => permissions))],
        resources: [...new Set(own.flatMap(({ resources: at }) => at))],
        maxTtlSeconds: MAX_BASE_TTL,
      }))
    }),
    delegations: Object.entries(agents).flatMap(([client, user]) =>
      user === undefined ? [] : [{ client, user: emailOf(user) }],
    ),
  }
}

/** The e-mail address of a user of a test. */
export function emailOf(name: string): string {
  return `${name}@authsec.test`
}
