import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { type Json, type JsonObject, parseStrictJson } from '../core/strict-json.js'
import { createClient } from './clients.js'
import { createPolicy } from './policies.js'
import { createResource } from './resources.js'
import type { Seed, SeedClient, SeedDelegation, SeedPolicy, SeedResource, SeedUser } from './seed.js'
import { ADMIN_PERMISSION } from './sessions.js'

/** Something wrong with a seed, and where. */
interface Fault {
  at: string
  why: string
}

/** Reads members of one object of the file; what is wrong becomes a fault and stands in as something harmless. */
interface Reader {
  at: string
  text(name: string): string
  optionalText(name: string): string | undefined
  texts(name: string): string[]
  optionalTexts(name: string): string[] | undefined
  textMap(name: string): Record<string, string> | undefined
  wholeNumber(name: string): number | undefined
  yesOrNo(name: string): boolean | undefined
  fault(name: string, why: string): void
  /** Takes a check of the authority's own as a fault instead of an end. */
  check(run: () => unknown): void
}

const MEMBERS: Readonly<Record<string, readonly string[]>> = {
  seed: ['tenant_id', 'roles', 'users', 'resources', 'clients', 'policies', 'delegations'],
  users: ['email', 'roles'],
  resources: ['uri', 'permissions'],
  clients: ['name', 'email', 'client_type', 'agent_type', 'platform', 'selectors'],
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
}

// Only the form of an id is asked of a tenant that does not exist yet.
const ANY_TENANT = '00000000-0000-4000-8000-000000000000'
const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/

/**
 * Reads a seed: a JSON object with `roles` (name to permissions), `users`, `resources`, `clients`, `policies` and
 * `delegations`, in which clients are named by their name and users by their e-mail address. Every fault is
 * reported at once, each with its place. Throws `usage`.
 */
export function parseSeed(text: string): Seed {
  const root = parseRoot(text)
  const faults: Fault[] = []
  const top = createReader(root, '', 'seed', faults)
  const seed: Seed = {
    tenantId: readTenantId(top),
    roles: readRoles(root, faults),
    users: readList(root, 'users', faults, readUser),
    resources: readList(root, 'resources', faults, readResource),
    clients: readList(root, 'clients', faults, readClient),
    policies: readList(root, 'policies', faults, readPolicy),
    delegations: readList(root, 'delegations', faults, readDelegation),
  }
  findContradictions(seed, faults)
  if (faults.length > 0) throw describeFaults(faults)
  return seed
}

function parseRoot(text: string): JsonObject {
  let value: Json
  try {
    value = parseStrictJson(text)
  } catch (error) {
    throw new AuthsecError('usage', `the seed cannot be read: ${error instanceof Error ? error.message : ''}`)
  }
  if (!isObject(value)) throw new AuthsecError('usage', 'the seed is not a JSON object')
  return value
}

function readTenantId(reader: Reader): string | undefined {
  const tenantId = reader.optionalText('tenant_id')
  if (tenantId !== undefined && !UUID.test(tenantId)) {
    reader.fault('tenant_id', `${quote(tenantId)} is not a UUID in lower case`)
  }
  return tenantId
}

function readRoles(root: JsonObject, faults: Fault[]): Record<string, readonly string[]> {
  const roles = root['roles'] ?? {}
  if (!isObject(roles)) {
    faults.push({ at: 'roles', why: 'is not an object' })
    return {}
  }
  const reader = createReader(roles, 'roles', undefined, faults)
  return Object.fromEntries(
    Object.keys(roles).map((name) => {
      const permissions = reader.texts(name)
      // The rule for permissions is the one for those of an API.
      reader.check(() => createResource({ uri: 'https://role.example', permissions }, 0))
      return [name, permissions]
    }),
  )
}

function readUser(reader: Reader): SeedUser {
  const user = { email: reader.text('email'), roles: reader.texts('roles') }
  if (!/^[^\s@]+@[^\s@]+$/.test(user.email)) {
    reader.fault('email', `${quote(user.email)} is not an e-mail address`)
  }
  return user
}

function readResource(reader: Reader): SeedResource {
  const resource = { uri: reader.text('uri'), permissions: reader.texts('permissions') }
  reader.check(() => createResource(resource, 0))
  return resource
}

function readClient(reader: Reader): SeedClient {
  const name = reader.text('name')
  const client: SeedClient = {
    name,
    email: reader.optionalText('email') ?? `${name.toLowerCase().replace(/[^a-z0-9]+/g, '-')}@authsec.test`,
    clientType: reader.optionalText('client_type'),
    agentType: reader.optionalText('agent_type'),
    platform: reader.optionalText('platform'),
    selectors: reader.textMap('selectors'),
  }
  reader.check(() => createClient(client, ANY_TENANT, 0))
  return client
}

function readPolicy(reader: Reader): SeedPolicy {
  const policy: SeedPolicy = {
    roleName: reader.text('role_name'),
    agentType: reader.text('agent_type'),
    allowedPermissions: reader.texts('allowed_permissions'),
    resources: reader.texts('resources'),
    maxTtlSeconds: reader.wholeNumber('max_ttl_seconds'),
    enabled: reader.yesOrNo('enabled'),
    client: reader.optionalText('client'),
  }
  reader.check(() => createPolicy(policy, undefined, 0))
  return policy
}

function readDelegation(reader: Reader): SeedDelegation {
  return {
    client: reader.text('client'),
    user: reader.text('user'),
    audience: reader.optionalTexts('audience'),
    ttlSeconds: reader.wholeNumber('ttl_seconds'),
  }
}

/** What each part by itself cannot show: names that nobody has, or that two have. */
function findContradictions(seed: Seed, faults: Fault[]): void {
  const { roles, users, resources, clients, policies, delegations } = seed
  const emails = users.map(({ email }) => email)
  const names = clients.map(({ name }) => name)
  const uris = resources.map(({ uri }) => uri)
  const fault = (at: string, why: string) => faults.push({ at, why })

  reportTwins('users', 'email', emails, fault)
  reportTwins('clients', 'name', names, fault)
  reportTwins('resources', 'uri', uris, fault)
  const terms = policies.map(({ roleName, agentType }) => `${roleName}/${agentType}`)
  reportTwins('policies', 'role_name and agent_type', terms, fault)

  users.forEach((user, index) => {
    for (const role of user.roles) {
      if (!Object.hasOwn(roles, role)) fault(`users[${index}].roles`, `no role ${quote(role)}`)
    }
  })
  policies.forEach((policy, index) => {
    const at = `policies[${index}]`
    if (!Object.hasOwn(roles, policy.roleName)) fault(`${at}.role_name`, `no role ${quote(policy.roleName)}`)
    if (policy.client !== undefined && !names.includes(policy.client)) {
      fault(`${at}.client`, `no client ${quote(policy.client)}`)
    }
    for (const uri of policy.resources) {
      if (uri !== '*' && !uris.includes(uri)) fault(`${at}.resources`, `no resource ${quote(uri, 200)}`)
    }
  })
  delegations.forEach(({ client, user }, index) => {
    if (!names.includes(client)) fault(`delegations[${index}].client`, `no client ${quote(client)}`)
    if (!emails.includes(user)) fault(`delegations[${index}].user`, `no user ${quote(user)}`)
  })
  const isAdmin = ({ roles: held }: SeedUser) =>
    held.some((role) => Object.hasOwn(roles, role) && roles[role]?.includes(ADMIN_PERMISSION))
  if (!users.some(isAdmin)) fault('users', `nobody has a role with ${ADMIN_PERMISSION}`)
}

function reportTwins(
  list: string,
  member: string,
  values: readonly string[],
  fault: (at: string, why: string) => void,
): void {
  values.forEach((value, index) => {
    const first = values.indexOf(value)
    if (first < index)
      fault(`${list}[${index}]`, `has the ${member} ${quote(value, 200)} of ${list}[${first}]`)
  })
}

function readList<T>(root: JsonObject, name: string, faults: Fault[], readItem: (reader: Reader) => T): T[] {
  const list = root[name] ?? []
  if (!Array.isArray(list)) {
    faults.push({ at: name, why: 'is not a list' })
    return []
  }
  return list.flatMap((item, index) => {
    const at = `${name}[${index}]`
    if (isObject(item)) return [readItem(createReader(item, at, name, faults))]
    faults.push({ at, why: 'is not an object' })
    return []
  })
}

function createReader(object: JsonObject, at: string, kind: string | undefined, faults: Fault[]): Reader {
  const known = kind === undefined ? undefined : MEMBERS[kind]
  const placeOf = (name: string) => (at === '' ? name : `${at}.${name}`)
  const fault = (name: string, why: string) => {
    faults.push({ at: placeOf(name), why })
  }
  for (const name of Object.keys(object)) {
    if (known !== undefined && !known.includes(name)) fault(name, `is none of ${known.join(', ')}`)
  }
  const read = <T>(name: string, what: string, fits: (value: Json) => value is Json & T): T | undefined => {
    const value = object[name]
    if (value === undefined) return undefined
    if (fits(value)) return value
    fault(name, `is not ${what}`)
    return undefined
  }
  const demand = <T>(name: string, value: T | undefined, instead: T): T => {
    if (value === undefined && object[name] === undefined) fault(name, 'is missing')
    return value ?? instead
  }
  const reader: Reader = {
    at,
    optionalText: (name) => read(name, 'a text', isText),
    text: (name) => demand(name, read(name, 'a text', isText), ''),
    optionalTexts: (name) => read(name, 'a list of texts', isTexts),
    texts: (name) => demand(name, read(name, 'a list of texts', isTexts), []),
    textMap: (name) => read(name, 'an object of texts', isTextMap),
    wholeNumber: (name) => read(name, 'a whole number that is more than 0', isCount),
    yesOrNo: (name) => read(name, 'true or false', (value) => typeof value === 'boolean'),
    fault,
    check(run) {
      // What is missing or of the wrong type has been reported already, and better.
      if (faults.some((known) => known.at === at || known.at.startsWith(`${at}.`))) return
      try {
        run()
      } catch (error) {
        if (!AuthsecError.is(error)) throw error
        faults.push({ at, why: error.message })
      }
    },
  }
  return reader
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isText(value: Json): value is string {
  return typeof value === 'string' && value !== '' && value.isWellFormed() && !value.includes('\0')
}

function isTexts(value: Json): value is string[] {
  return Array.isArray(value) && value.every(isText)
}

function isTextMap(value: Json): value is Record<string, string> {
  return isObject(value) && Object.values(value).every(isText)
}

function isCount(value: Json): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0
}

function describeFaults(faults: readonly Fault[]): AuthsecError {
  const list = faults.map(({ at, why }) => `${at}: ${why}`).join('; ')
  const count = faults.length === 1 ? 'a fault' : `${faults.length} faults`
  return new AuthsecError('usage', `the seed has ${count}: ${list}`)
}
