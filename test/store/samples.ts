import type { AuditEvent } from '../../src/core/audit-record.js'
import { encodeAuditEvent } from '../../src/core/audit-record.js'
import type { Approval } from '../../src/store/approvals.js'
import { indexAuditEvent } from '../../src/store/audit-terms.js'
import type { StoredSession } from '../../src/store/sessions.js'
import type {
  AuditRecord,
  Client,
  Delegation,
  Policy,
  Resource,
  Store,
  StoredKey,
  TrustRule,
} from '../../src/store/store.js'

const BILLING = 'https://billing.example'

/** Any time: the store never looks at a clock. */
export const NOW = Date.UTC(2026, 7, 1, 9)

export function createClient(id: string, fields: Partial<Client> = {}): Client {
  return {
    id,
    name: `name of ${id}`,
    email: `${id}@authsec.test`,
    clientType: 'ai_agent',
    agentType: 'langchain',
    spiffeId: `spiffe://example.org/${id}`,
    platform: 'docker',
    selectors: { 'docker:label:app': id },
    active: true,
    authMethod: 'none',
    tags: ['blue'],
    oidcEnabled: false,
    createdAt: NOW,
    updatedAt: NOW + 1,
    ...fields,
  }
}

export function createResource(uri: string, fields: Partial<Resource> = {}): Resource {
  return {
    uri,
    permissions: ['billing:read', 'billing:refund'],
    signingAlg: 'ES256',
    createdAt: NOW,
    ...fields,
  }
}

export function createApproval(id: string, fields: Partial<Approval> = {}): Approval {
  return {
    id,
    kind: 'device',
    form: 'oauth',
    handleHash: `handle of ${id}`,
    scopes: [],
    status: 'pending',
    intervalSeconds: 5,
    createdAt: NOW,
    expiresAt: NOW + 1,
    ...fields,
  }
}

/** Of client `agent`. */
export function createTrustRule(name: string, fields: Partial<TrustRule> = {}): TrustRule {
  return {
    name,
    clientId: 'agent',
    issuer: 'https://ci.example',
    audience: 'https://authsec.example',
    subject: 'repo:acme/*',
    claims: { environment: 'production' },
    createdAt: NOW,
    ...fields,
  }
}

export function createPolicy(id: string, fields: Partial<Policy> = {}): Policy {
  return {
    id,
    roleName: `role of ${id}`,
    agentType: 'langchain',
    allowedPermissions: ['billing:read'],
    resources: ['https://billing.example'],
    maxTtlSeconds: 3600,
    enabled: true,
    createdAt: NOW,
    updatedAt: NOW + 1,
    ...fields,
  }
}

/** Of client `agent`, user `alice` and policy `policy`. */
export function createDelegation(id: string, fields: Partial<Delegation> = {}): Delegation {
  return {
    id,
    clientId: 'agent',
    userId: 'alice',
    policyId: 'policy',
    permissions: ['billing:read'],
    resources: ['https://billing.example'],
    audience: ['authsec-api'],
    jti: `jti of ${id}`,
    sealedToken: new Uint8Array([0, 255, 1]),
    status: 'active',
    ttlSeconds: 3600,
    createdAt: NOW,
    updatedAt: NOW,
    expiresAt: NOW + 3_600_000,
    ...fields,
  }
}

export function createKey(kid: string, fields: Partial<StoredKey> = {}): StoredKey {
  return {
    kid,
    purpose: 'call',
    alg: 'ES256',
    state: 'active',
    publicJwk: '{"kty":"EC"}',
    sealedJwk: new Uint8Array([7, 0, 255]),
    createdAt: NOW,
    ...fields,
  }
}

export function createRecord(id: string, fields: Partial<AuditRecord> = {}): AuditRecord {
  return {
    id,
    record: `record ${id}`,
    type: 'token.exchanged',
    outcome: 'allow',
    occurredAt: NOW,
    ...fields,
  }
}

/** Of user `alice`. */
export function createSession(id: string, fields: Partial<StoredSession> = {}): StoredSession {
  return { id, kind: 'password', userId: 'alice', createdAt: NOW, expiresAt: NOW + 60_000, ...fields }
}

/** The record that the authority makes of an event. */
export function recordEvent(event: AuditEvent): AuditRecord {
  return { ...indexAuditEvent(event), record: encodeAuditEvent(event) }
}

/** Everything that a delegation of alice to the agent stands on. */
export async function fill(store: Store): Promise<void> {
  await store.write(async ({ users, clients, resources, policies }) => {
    await users.insertRole({ name: 'member', permissions: ['billing:read', 'billing:refund'] })
    await users.insertRole({ name: 'reader', permissions: ['billing:read', 'orders:read'] })
    const roles = ['member', 'reader']
    await users.insert({ id: 'alice', email: 'alice@authsec.test', roles, createdAt: NOW })
    await clients.insert(createClient('agent'))
    await resources.insert(createResource(BILLING))
    await policies.insert(createPolicy('policy', { roleName: 'member' }))
  })
}
