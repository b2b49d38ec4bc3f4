import { randomUUID } from 'node:crypto'
import { AUTHSEC_AUDIENCE, MAX_BASE_TTL } from '../core/delegation.js'
import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { isJsonObject } from '../core/strict-json.js'
import type { Client, Policy, Queries, Store, Transaction, User } from '../store/store.js'
import { isStoreFailure } from '../store/unavailable.js'
import type { AddEvent, AuditLog } from './audit/log.js'
import { giveKeys } from './client-keys.js'
import { AGENT_CLIENT_TYPE, createClient, describeClient } from './clients.js'
import type { Delegations } from './delegations.js'
import { CHOSEN_PASSWORD_COST, hashPassword } from './passwords.js'
import { createPolicy, describePolicy } from './policies.js'
import { createResource, describeResource } from './resources.js'
import { listAdmins } from './roles.js'
import { DEV_SEED, type Seed, type SeedClient } from './seed.js'
import { isSeedAdmin } from './seed-admin.js'
import { assertSeed, describeSeedFaults } from './seed-faults.js'
import { ADMIN_PERMISSION } from './sessions.js'
import { damagedSetting, findJsonSetting } from './state-settings.js'

/** Who the seed put there. */
export interface Seeded {
  /** What the state was filled with, without the passwords. */
  seed: Seed
  /** The e-mail addresses of those whose passwords came with it. */
  withPassword: readonly string[]
  /** Who administers: the one whom the seed names, or else who has been given `admin:access` in their place. */
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
  /** Without the passwords. */
  seed: Seed
  withPassword?: readonly string[]
  /** The id of each client by name. */
  clients: Readonly<Record<string, string>>
}

/** What says whether a state has been filled. */
type SeedQueries = Pick<Queries, 'settings' | 'users'>

/** Where a seed is put, and the log that tells of it. */
export interface SeedPlace {
  store: Store
  audit: Pick<AuditLog, 'record'>
  /** Grants the delegations of the seed together with all the rest; default: they are left to the caller. */
  delegations?: Pick<Delegations, 'grantWithin'> | undefined
  /** The hashes of passwords by the e-mail addresses of users of the seed. */
  passwords?: Readonly<Record<string, string>> | undefined
}

/**
 * Fills a new state in one transaction, which is recorded; on a state that has been filled it only finds who is there.
 * Throws `conflict` when that was done with another seed than the one asked for, and where the state is another tenant's.
 */
export async function applySeed(
  place: SeedPlace,
  asked: Seed | undefined,
  tenantId: string,
  now: number,
): Promise<Seeded> {
  const { store } = place
  const planted = (await findPlanted(store)) ?? (await plantOnce(place, asked ?? DEV_SEED, tenantId, now))
  if (asked !== undefined && JSON.stringify(omitPasswords(asked)) !== JSON.stringify(planted.seed)) {
    throw new AuthsecError('conflict', 'the state was made with another seed', {
      hint: 'A seed fills a new state only: name another one with --state, or leave --seed out.',
    })
  }
  return findSeeded(store, planted)
}

async function findPlanted(store: SeedQueries): Promise<Planted | undefined> {
  // In this order, because another server may fill the store meanwhile: what it plants comes with its seed.
  const roles = await store.users.listRoles()
  const planted = await findJsonSetting<Planted>(
    store,
    SEED_SETTING,
    ({ seed, clients }) => isJsonObject(seed) && isJsonObject(clients),
  )
  if (planted !== undefined) return planted
  const agentId = await store.settings.find(FIRST_SEED_SETTING)
  if (agentId !== undefined) return { seed: DEV_SEED, clients: { 'demo-agent': agentId } }
  if (roles.length > 0) throw damagedSetting(SEED_SETTING, 'is missing')
  return undefined
}

/** Whether a state has been filled: the last thing that its first start does. Throws `state_unreadable`. */
export async function isPlanted(store: SeedQueries): Promise<boolean> {
  return (await findPlanted(store)) !== undefined
}

/**
 * Fills a new state as `applySeed` does. Throws `conflict` on one that has been filled or is another tenant's, and
 * `usage` for a seed with faults and for a delegation that is not granted; then nothing is there.
 */
export async function plantSeed(place: SeedPlace, seed: Seed, tenantId: string, now: number): Promise<void> {
  await plant(place, seed, tenantId, now)
}

async function findSeeded(
  store: Pick<Queries, 'users'>,
  { seed, clients, withPassword = [] }: Planted,
): Promise<Seeded> {
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
  const seeded = people.get(findAdminEmail(seed)) as User
  return { seed, withPassword, admin: mayAdminister(seeded) ? seeded : await findAdmin(store), delegations }
}

// The one whom the seed names may have been relieved of it.
async function findAdmin({ users }: Pick<Queries, 'users'>): Promise<User> {
  const [first] = await listAdmins(users)
  const admin = first && (await users.find(first.id))
  if (admin === undefined) throw new Error('nobody administers the state')
  return admin
}

function mayAdminister({ active, permissions }: User): boolean {
  return active && permissions.has(ADMIN_PERMISSION)
}

function findAdminEmail(seed: Seed): string {
  const admin = seed.users.find((user) => isSeedAdmin(user, seed))
  if (admin === undefined) throw new AuthsecError('usage', `nobody in the seed has ${ADMIN_PERMISSION}`)
  return admin.email
}

// Another server of the store may have been faster.
async function plantOnce(place: SeedPlace, seed: Seed, tenantId: string, now: number): Promise<Planted> {
  try {
    return await plant(place, seed, tenantId, now)
  } catch (error) {
    const planted = AuthsecError.is(error, 'conflict') ? await findPlanted(place.store) : undefined
    if (planted === undefined) throw error
    return planted
  }
}

async function plant(
  { audit, delegations, passwords }: SeedPlace,
  asked: Seed,
  tenantId: string,
  now: number,
): Promise<Planted> {
  assertSeed(asked)
  assertTenant(asked, tenantId)
  const hashes = { ...(await hashPasswords(asked)), ...passwords }
  const seed = omitPasswords(asked)
  const clients = seed.clients.map((client) => createSeeded(client, tenantId, now))
  const ids = Object.fromEntries(clients.map(({ name, id }) => [name, id]))
  const withPassword = Object.keys(hashes)
  const planted: Planted = { seed, clients: ids, ...(withPassword.length > 0 && { withPassword }) }
  return audit.record(async (transaction, add) => {
    await plantPeople(transaction, seed, hashes, now)
    for (const input of seed.resources) {
      const resource = createResource(input, now)
      await transaction.resources.insert(resource)
      add({ type: 'resource.created', ...describeResource(resource) })
    }
    for (const client of clients) {
      await transaction.clients.insert(client)
      add({ type: 'client.registered', ...describeClient(client) })
    }
    for (const policy of createPolicies(seed, ids, now)) {
      await transaction.policies.insert(policy)
      add({ type: 'policy.created', ...describePolicy(policy) })
    }
    if (delegations !== undefined) await grantAll(delegations, planted, transaction, add)
    await transaction.settings.insert({ name: SEED_SETTING, value: JSON.stringify(planted) })
    return planted
  })
}

function createSeeded({ jwks, ...input }: SeedClient, tenantId: string, now: number): Client {
  const client = createClient(input, tenantId, now)
  return jwks === undefined ? client : giveKeys(client, jwks)
}

// A state has its tenant from its very first start on, also where that came to no end or all else has been reset.
function assertTenant({ tenantId: asked }: Seed, tenantId: string): void {
  if (asked === undefined || asked === tenantId) return
  throw new AuthsecError(
    'conflict',
    `the state is of tenant ${quote(tenantId)}, the seed of ${quote(asked)}`,
    {
      hint: 'A state keeps its tenant: name another one with --state, or leave tenant_id out of the seed.',
    },
  )
}

/** What of a seed is kept and compared. */
function omitPasswords(seed: Seed): Seed {
  return { ...seed, users: seed.users.map(({ password: _, ...user }) => user) }
}

// Outside of the transaction, because a hash takes its time.
async function hashPasswords({ users }: Seed): Promise<Record<string, string>> {
  const hashed = users.map(async ({ email, password }) =>
    password === undefined ? [] : [[email, await hashPassword(password, CHOSEN_PASSWORD_COST)] as const],
  )
  return Object.fromEntries((await Promise.all(hashed)).flat())
}

async function grantAll(
  { grantWithin }: Pick<Delegations, 'grantWithin'>,
  planted: Planted,
  transaction: Transaction,
  add: AddEvent,
): Promise<void> {
  const seeded = await findSeeded(transaction, planted)
  for (const [index, { user, ...input }] of seeded.delegations.entries()) {
    await grantWithin(transaction, add, input, user).catch((cause) => {
      // What was asked for is refused; what failed by itself may succeed the next time.
      if (!AuthsecError.is(cause) || cause.retryable || isStoreFailure(cause)) throw cause
      throw describeSeedFaults([{ at: `delegations[${index}]`, why: cause.message }])
    })
  }
}

// Where several apply the oldest counts, and of those made at once the one with the least id: the order of the seed.
function createPolicies(seed: Seed, clients: Readonly<Record<string, string>>, now: number): Policy[] {
  const policies = seed.policies.map(({ client, ...input }) => {
    const clientId = client === undefined ? undefined : clients[client]
    return createPolicy({ ...input, clientId }, undefined, now)
  })
  const ids = policies.map(({ id }) => id).sort()
  return policies.map((policy, index) => ({ ...policy, id: ids[index] ?? policy.id }))
}

async function plantPeople(
  { users, passwords }: Transaction,
  seed: Seed,
  hashes: Readonly<Record<string, string>>,
  now: number,
): Promise<void> {
  for (const [name, permissions] of Object.entries(seed.roles)) await users.insertRole({ name, permissions })
  for (const { email, roles } of seed.users) {
    const id = randomUUID()
    await users.insert({ id, email, roles, createdAt: now })
    const hash = Object.hasOwn(hashes, email) ? hashes[email] : undefined
    if (hash !== undefined) await passwords.replace({ userId: id, hash, failures: 0 })
  }
}
