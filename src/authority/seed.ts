import { MAX_BASE_TTL } from '../core/delegation.js'
import type { JsonObject } from '../core/strict-json.js'
import { AGENT_CLIENT_TYPE, type ClientInput } from './clients.js'
import type { PolicyInput } from './policies.js'
import type { ResourceInput } from './resources.js'
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
  /** What they log in with from the first start on; kept nowhere but hashed. */
  password?: string | undefined
}
export type SeedResource = ResourceInput
export interface SeedClient extends ClientInput {
  /** A JWK Set: the public keys that it proves itself by; default: it proves nothing. */
  jwks?: JsonObject | undefined
}
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
