import { AuthsecError } from '../core/errors.js'
import { findJsonFault } from '../core/json-fault.js'
import { quote } from '../core/printable.js'
import { isJsonObject, type Json, type JsonObject, parseStrictJson } from '../core/strict-json.js'
import { readUuid } from '../core/uuid.js'
import { parseClientKeys } from './client-keys.js'
import { createClient, isEmail } from './clients.js'
import { assertPassword } from './passwords.js'
import { createPolicy } from './policies.js'
import { assertResourceUri } from './resources.js'
import type { Seed, SeedClient, SeedDelegation, SeedPolicy, SeedResource, SeedUser } from './seed.js'
import { addAdmin } from './seed-admin.js'
import { describeSeedFaults, findSeedFaults, type SeedDemands, type SeedFault } from './seed-faults.js'
import { createReader, isText, type SeedReader } from './seed-reader.js'

const MEMBERS = {
  seed: ['tenant_id', 'roles', 'users', 'resources', 'clients', 'policies', 'delegations'],
  users: ['email', 'roles', 'password_file'],
  resources: ['uri', 'permissions'],
  clients: ['name', 'email', 'client_type', 'agent_type', 'platform', 'selectors', 'jwks'],
  policies: [
    'role_name',
    'agent_type',
    'allowed_permissions',
    'resources',
    'max_ttl_seconds',
    'enabled',
    'client',
  ],
  delegations: ['client', 'user', 'audience', 'ttl_seconds'],
} as const

// Only the form of an id is asked of a tenant that does not exist yet.
const ANY_TENANT = '00000000-0000-4000-8000-000000000000'

/** How a seed file is read. */
interface SeedReading extends SeedDemands {
  /** The password in a file that a user of the seed names; throws `usage`. Without it no user may name one. */
  readPassword?: ((path: string) => string) | undefined
}

/**
 * Reads a seed: a JSON object with `roles` (name to permissions), `users`, `resources`, `clients`, `policies` and
 * `delegations`, in which clients are named by their name and users by their e-mail address. Every fault is
 * reported at once, each with its place. Throws `usage`.
 */
export function parseSeed(text: string, { readPassword, ...demands }: SeedReading = {}): Seed {
  const root = parseRoot(text)
  const faults: SeedFault[] = []
  const top = createReader(root, '', MEMBERS.seed, faults)
  const read: Seed = {
    tenantId: readTenantId(top),
    roles: readRoles(root, faults),
    users: readList(root, 'users', faults, (reader) => readUser(reader, readPassword)),
    resources: readList(root, 'resources', faults, readResource),
    clients: readList(root, 'clients', faults, readClient),
    policies: readList(root, 'policies', faults, readPolicy),
    delegations: readList(root, 'delegations', faults, readDelegation),
  }
  const seed = demands.admin === undefined ? read : addAdmin(read, demands.admin)
  const knowsRoles = !faults.some(({ at }) => at === 'roles' || at.startsWith('roles.'))
  faults.push(...findSeedFaults(seed, { ...demands, knowsRoles }))
  if (faults.length > 0) throw describeSeedFaults(faults)
  return seed
}

function parseRoot(text: string): JsonObject {
  let value: Json
  try {
    value = parseStrictJson(text)
  } catch (error) {
    throw new AuthsecError('usage', `the seed cannot be read: ${describeJsonFault(text, error)}`)
  }
  if (!isJsonObject(value)) throw new AuthsecError('usage', 'the seed is not a JSON object')
  return value
}

function describeJsonFault(text: string, error: unknown): string {
  try {
    JSON.parse(text)
  } catch {
    const { line, column } = findJsonFault(text)
    return `not valid JSON at line ${line}, column ${column}`
  }
  return error instanceof Error ? error.message : ''
}

function readTenantId(reader: SeedReader): string | undefined {
  const tenantId = reader.optionalText('tenant_id')
  if (tenantId !== undefined && readUuid(tenantId) !== tenantId) {
    reader.fault('tenant_id', `${quote(tenantId)} is not a UUID in lower case`)
  }
  return tenantId
}

function readRoles(root: JsonObject, faults: SeedFault[]): Record<string, readonly string[]> {
  const roles = root['roles'] ?? {}
  if (!isJsonObject(roles)) {
    faults.push({ at: 'roles', why: 'is not an object' })
    return {}
  }
  const reader = createReader(roles, 'roles', undefined, faults)
  return Object.fromEntries(
    Object.keys(roles).map((name) => {
      if (!isText(name)) faults.push({ at: 'roles', why: `${quote(name)} is no name of a role` })
      return [name, reader.permissions(name)]
    }),
  )
}

function readUser(reader: SeedReader, readFile: SeedReading['readPassword']): SeedUser {
  const user = {
    email: reader.text('email'),
    roles: reader.texts('roles'),
    ...readPassword(reader, readFile),
  }
  if (user.email !== '' && !isEmail(user.email)) {
    reader.fault('email', `${quote(user.email)} is not an e-mail address`)
  }
  return user
}

function readPassword(reader: SeedReader, readFile: SeedReading['readPassword']): { password?: string } {
  const path = reader.optionalText('password_file')
  if (path === undefined) return {}
  let known: { password?: string } = {}
  reader.check(() => {
    if (readFile === undefined) throw new AuthsecError('usage', 'is for a seed that is a file')
    const password = readFile(path)
    assertPassword(password)
    known = { password }
  }, 'password_file')
  return known
}

function readResource(reader: SeedReader): SeedResource {
  const resource = { uri: reader.text('uri'), permissions: reader.permissions('permissions') }
  if (resource.uri !== '') reader.check(() => assertResourceUri(resource.uri), 'uri')
  return resource
}

function readClient(reader: SeedReader): SeedClient {
  const name = reader.text('name')
  const client: SeedClient = {
    name,
    email: reader.optionalText('email') ?? `${name.toLowerCase().replace(/[^a-z0-9]+/g, '-')}@authsec.test`,
    clientType: reader.optionalText('client_type'),
    agentType: reader.optionalText('agent_type'),
    platform: reader.optionalText('platform'),
    selectors: reader.textMap('selectors'),
    jwks: reader.object('jwks'),
  }
  const { jwks } = client
  reader.check(() => createClient(client, ANY_TENANT, 0))
  if (jwks !== undefined) reader.check(() => parseClientKeys(JSON.stringify(jwks)), 'jwks')
  return client
}

function readPolicy(reader: SeedReader): SeedPolicy {
  const policy: SeedPolicy = {
    roleName: reader.text('role_name'),
    agentType: reader.text('agent_type'),
    allowedPermissions: reader.permissions('allowed_permissions'),
    resources: reader.texts('resources'),
    maxTtlSeconds: reader.wholeNumber('max_ttl_seconds'),
    enabled: reader.yesOrNo('enabled'),
    client: reader.optionalText('client'),
  }
  reader.check(() => createPolicy(policy, undefined, 0))
  return policy
}

function readDelegation(reader: SeedReader): SeedDelegation {
  return {
    client: reader.text('client'),
    user: reader.text('user'),
    audience: reader.optionalTexts('audience'),
    ttlSeconds: reader.wholeNumber('ttl_seconds'),
  }
}

function readList<T>(
  root: JsonObject,
  name: Exclude<keyof typeof MEMBERS, 'seed'>,
  faults: SeedFault[],
  readItem: (reader: SeedReader) => T,
): T[] {
  const list = root[name] ?? []
  if (!Array.isArray(list)) {
    faults.push({ at: name, why: 'is not a list' })
    return []
  }
  return list.map((item, index) => {
    const at = `${name}[${index}]`
    if (isJsonObject(item)) return readItem(createReader(item, at, MEMBERS[name], faults))
    faults.push({ at, why: 'is not an object' })
    // So that what comes after it keeps its place; what is wrong with it has been said.
    return readItem(createReader({}, at, MEMBERS[name], []))
  })
}
