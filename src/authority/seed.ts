import { randomUUID } from 'node:crypto'
import { MAX_BASE_TTL } from '../core/delegation.js'
import type { Store, User } from '../store/store.js'
import { AGENT_CLIENT_TYPE, createClient } from './clients.js'
import { createPolicy } from './policies.js'
import type { ResourceInput } from './resources.js'
import { createResource } from './resources.js'
import { ADMIN_PERMISSION } from './sessions.js'

/** The people, APIs and the agent that a dev server starts with. */
export interface Seed {
  roles: Readonly<Record<string, readonly string[]>>
  users: readonly { email: string; roles: readonly string[] }[]
  resources: readonly ResourceInput[]
  agent: { name: string; email: string; agentType: string }
  policy: { role: string; permissions: readonly string[] }
  /** Who delegates to the agent. */
  delegator: string
  admin: string
}

/** The seed of `dev serve`: `billing:refund` is within alice's rights and outside the agent's policy. */
export const DEV_SEED: Seed = {
  roles: {
    admin: ['billing:read', 'billing:refund', 'orders:read', 'profile:read', ADMIN_PERMISSION],
    member: ['billing:read', 'billing:refund', 'orders:read', 'profile:read'],
  },
  users: [
    { email: 'admin@authsec.test', roles: ['admin'] },
    { email: 'alice@authsec.test', roles: ['member'] },
    { email: 'bob@authsec.test', roles: ['member'] },
  ],
  resources: [
    { uri: 'https://billing.example', permissions: ['billing:read', 'billing:refund'] },
    { uri: 'https://profile.example', permissions: ['profile:read'] },
    { uri: 'https://orders.example', permissions: ['orders:read'] },
  ],
  agent: { name: 'demo-agent', email: 'demo-agent@authsec.test', agentType: 'langchain' },
  policy: { role: 'member', permissions: ['billing:read', 'orders:read', 'profile:read'] },
  delegator: 'alice@authsec.test',
  admin: 'admin@authsec.test',
}

/** Who the seed put there. */
export interface Seeded {
  admin: User
  delegator: User
  agentId: string
}

const SEEDED_AGENT = 'seeded_agent'

/** Fills a new state in one transaction; on a state that has been filled it only finds who is there. */
export async function applySeed(store: Store, seed: Seed, tenantId: string, now: number): Promise<Seeded> {
  const agentId = (await store.settings.find(SEEDED_AGENT)) ?? (await fill(store, seed, tenantId, now))
  const [admin, delegator] = await Promise.all([
    store.users.findByEmail(seed.admin),
    store.users.findByEmail(seed.delegator),
  ])
  if (admin === undefined || delegator === undefined) throw new Error('the seeded users are gone')
  return { admin, delegator, agentId }
}

function fill(store: Store, seed: Seed, tenantId: string, now: number): Promise<string> {
  const agent = createClient({ ...seed.agent, clientType: AGENT_CLIENT_TYPE }, tenantId, now)
  const policy = createPolicy(
    {
      roleName: seed.policy.role,
      agentType: seed.agent.agentType,
      allowedPermissions: seed.policy.permissions,
      resources: seed.resources.map(({ uri }) => uri),
      maxTtlSeconds: MAX_BASE_TTL,
    },
    undefined,
    now,
  )
  return store.write(async (transaction) => {
    for (const [name, permissions] of Object.entries(seed.roles)) {
      await transaction.users.insertRole({ name, permissions })
    }
    for (const { email, roles } of seed.users) {
      await transaction.users.insert({ id: randomUUID(), email, roles, createdAt: now })
    }
    for (const resource of seed.resources) {
      await transaction.resources.insert(createResource(resource, now))
    }
    await transaction.clients.insert(agent)
    await transaction.policies.insert(policy)
    await transaction.settings.insert({ name: SEEDED_AGENT, value: agent.id })
    return agent.id
  })
}
