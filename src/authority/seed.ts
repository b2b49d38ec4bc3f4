import { randomUUID } from 'node:crypto'
import { AUTHSEC_AUDIENCE, MAX_BASE_TTL } from '../core/delegation.js'
import { AuthsecError } from '../core/errors.js'
import type { Store, Transaction, User } from '../store/store.js'
import { AGENT_CLIENT_TYPE, type ClientInput, createClient } from './clients.js'
import { createPolicy, type PolicyInput } from './policies.js'
import { createResource, type ResourceInput } from './resources.js'
import { ADMIN_PERMISSION } from './sessions.js'

/** What a new state starts with. Clients are named by their name, users by their e-mail address. */
export interface Seed {
  /** A UUID; a random one when nobody says. */
  tenantId?: string | undefined
  /** The permissions of each role. */
  roles: Readonly<Record<string, readonly string[]>>
  /** At least one of them has `admin:access`. */
  users: readonly SeedUser[]
  resources: readonly SeedResource[]
  clients: readonly SeedClient[]
  policies: readonly SeedPolicy[]
  /** The first is the one that a dev server names as its client and user. */
  delegations: readonly SeedDelegation[]
}

export interface SeedUser {
  email: string
  roles: readonly string[]
}
export type SeedResource = ResourceInput
export type SeedClient = ClientInput
export interface SeedPolicy extends Omit<PolicyInput, 'clientId'> {
  resources: readonly string[]
  /** The one client that it is for. */
  client?: string | undefined
}
export interface SeedDelegation {
  client: string
  user: string
  /** Default `authsec-api`: every resource of the policy. */
  audience?: readonly string[] | undefined
  /** In seconds; default 24 h. */
  ttlSeconds?: number | undefined
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
  clients: [
    {
      name: 'demo-agent',
      email: 'demo-agent@authsec.test',
      clientType: AGENT_CLIENT_TYPE,
      agentType: 'langchain',
    },
  ],
  policies: [
    {
      roleName: 'member',
      agentType: 'langchain',
      allowedPermissions: ['billing:read', 'orders:read', 'profile:read'],
      resources: ['https://billing.example', 'https://profile.example', 'https://orders.example'],
      maxTtlSeconds: MAX_BASE_TTL,
    },
  ],
  delegations: [{ client: 'demo-agent', user: 'alice@authsec.test' }],
}

/** Who the seed put there. */
export interface Seeded {
  /** What the state was filled with. */
  seed: Seed
  /** The first user with `admin:access`. */
  admin: User
  delegations: readonly SeededDelegation[]
}

/** A delegation that the seed asks for, to be granted as any other is. */
export interface SeededDelegation {
  clientId: string
  agentType: string
  user: User
  audience: readonly string[]
  ttlSeconds: number
}

/** The seed of a state and the ids of its clients, as JSON. */
const SEED_SETTING = 'seed'
/** What states of version 0.1 have instead: the id of the one agent of the dev seed. */
const FIRST_SEED_SETTING = 'seeded_agent'

interface Planted {
  seed: Seed
  /** The id of each client by name. */
  clients: Readonly<Record<string, string>>
}

/**
 * Fills a new state in one transaction; on a state that has been filled it only finds who is there. Throws
 * `conflict` when that was done with another seed than the one asked for.
 */
export async function applySeed(
  store: Store,
  asked: Seed | undefined,
  tenantId: string,
  now: number,
): Promise<Seeded> {
  const planted = (await findPlanted(store)) ?? (await plantOnce(store, asked ?? DEV_SEED, tenantId, now))
  if (asked !== undefined && JSON.stringify(asked) !== JSON.stringify(planted.seed)) {
    throw new AuthsecError('conflict', 'the state was made with another seed', {
      hint: 'A seed fills a new state only: name another one with --state, or leave --seed out.',
    })
  }
  return findSeeded(store, planted)
}

async function findPlanted(store: Store): Promise<Planted | undefined> {
  const text = await store.settings.find(SEED_SETTING)
  if (text !== undefined) return JSON.parse(text)
  const agentId = await store.settings.find(FIRST_SEED_SETTING)
  return agentId === undefined ? undefined : { seed: DEV_SEED, clients: { 'demo-agent': agentId } }
}

async function findSeeded(store: Store, { seed, clients }: Planted): Promise<Seeded> {
  const people = new Map<string, User>()
  for (const email of new Set([findAdminEmail(seed), ...seed.delegations.map(({ user }) => user)])) {
    const user = await store.users.findByEmail(email)
    if (user === undefined) throw new Error('a seeded user is gone')
    people.set(email, user)
  }
  const delegations = seed.delegations.map(({ client, user, audience, ttlSeconds }) => ({
    clientId: clients[client] as string,
    agentType: seed.clients.find(({ name }) => name === client)?.agentType ?? AGENT_CLIENT_TYPE,
    user: people.get(user) as User,
    audience: audience ?? [AUTHSEC_AUDIENCE],
    ttlSeconds: ttlSeconds ?? MAX_BASE_TTL,
  }))
  return { seed, admin: people.get(findAdminEmail(seed)) as User, delegations }
}

function findAdminEmail({ users, roles }: Seed): string {
  const admin = users.find((user) => user.roles.some((role) => roles[role]?.includes(ADMIN_PERMISSION)))
  if (admin === undefined) throw new AuthsecError('usage', `nobody in the seed has ${ADMIN_PERMISSION}`)
  return admin.email
}

// Another server of the store may have been faster.
async function plantOnce(store: Store, seed: Seed, tenantId: string, now: number): Promise<Planted> {
  try {
    return await plant(store, seed, tenantId, now)
  } catch (error) {
    const planted = AuthsecError.is(error, 'conflict') ? await findPlanted(store) : undefined
    if (planted === undefined) throw error
    return planted
  }
}

function plant(store: Store, seed: Seed, tenantId: string, now: number): Promise<Planted> {
  const clients = seed.clients.map((client) => createClient(client, tenantId, now))
  const ids = Object.fromEntries(clients.map(({ name, id }) => [name, id]))
  const planted = { seed, clients: ids }
  return store.write(async (transaction) => {
    await plantPeople(transaction, seed, now)
    for (const resource of seed.resources) await transaction.resources.insert(createResource(resource, now))
    for (const client of clients) await transaction.clients.insert(client)
    for (const { client, ...policy } of seed.policies) {
      const clientId = client === undefined ? undefined : ids[client]
      await transaction.policies.insert(createPolicy({ ...policy, clientId }, undefined, now))
    }
    await transaction.settings.insert({ name: SEED_SETTING, value: JSON.stringify(planted) })
    return planted
  })
}

async function plantPeople({ users }: Transaction, seed: Seed, now: number): Promise<void> {
  for (const [name, permissions] of Object.entries(seed.roles)) await users.insertRole({ name, permissions })
  for (const { email, roles } of seed.users) {
    await users.insert({ id: randomUUID(), email, roles, createdAt: now })
  }
}
