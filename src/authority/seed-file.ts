import { AuthsecError } from '../core/errors.js'
import { isPermission, parsePermissions } from '../core/permission.js'
import { quote } from '../core/printable.js'
import { type Json, type JsonObject, parseStrictJson } from '../core/strict-json.js'
import { createClient, isEmail } from './clients.js'
import { assertPassword } from './passwords.js'
import { createPolicy } from './policies.js'
import { assertResourceUri } from './resources.js'
import type { Seed, SeedClient, SeedDelegation, SeedPolicy, SeedResource, SeedUser } from './seed.js'
import { addAdmin, isSeedAdmin } from './seed-admin.js'
import { describeSeedFaults, findSeedFaults, type SeedDemands, type SeedFault } from './seed-faults.js'
import { ADMIN_PERMISSION } from './sessions.js'

/** Reads members of one object of the file; what is wrong becomes a fault and stands in as something harmless. */
interface Reader {
  at: string
  text(name: string): string
  optionalText(name: string): string | undefined
  texts(name: string): string[]
  /** At most 100 permissions; one that is none is a fault of its own. */
  permissions(name: string): string[]
  optionalTexts(name: string): string[] | undefined
  textMap(name: string): Record<string, string> | undefined
  wholeNumber(name: string): number | undefined
  yesOrNo(name: string): boolean | undefined
  fault(name: string, why: string): void
  /** Takes a check of the authority's own as a fault instead of an end: of the member it is about, where that is known. */
  check(run: () => unknown, member?: string): void
}

const MEMBERS: Readonly<Record<string, readonly string[]>> = {
  seed: ['tenant_id', 'roles', 'users', 'resources', 'clients', 'policies', 'delegations'],
  users: ['email', 'roles', 'password_file'],
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

/** How a seed file is read. */
interface SeedReading extends SeedDemands {
  /** The e-mail address of somebody who administers the server, in the seed or beside it. */
  admin?: string | undefined
  /** The password in a file that a user of the seed names; throws `usage`. Without it no user may name one. */
  readPassword?: ((path: string) => string) | undefined
}

/**
 * Reads a seed: a JSON object with `roles` (name to permissions), `users`, `resources`, `clients`, `policies` and
 * `delegations`, in which clients are named by their name and users by their e-mail address. Every fault is
 * reported at once, each with its place. Throws `usage`.
 */
export function parseSeed(text: string, { admin, readPassword, ...demands }: SeedReading = {}): Seed {
  const root = parseRoot(text)
  const faults: SeedFault[] = []
  const top = createReader(root, '', 'seed', faults)
  const read: Seed = {
    tenantId: readTenantId(top),
    roles: readRoles(root, faults),
    users: readList(root, 'users', faults, (reader) => readUser(reader, readPassword)),
    resources: readList(root, 'resources', faults, readResource),
    clients: readList(root, 'clients', faults, readClient),
    policies: readList(root, 'policies', faults, readPolicy),
    delegations: readList(root, 'delegations', faults, readDelegation),
  }
  const seed = admin === undefined ? read : addAdmin(read, admin)
  if (admin !== undefined && !isSeedAdmin(seed, admin)) {
    const at = seed.users.findIndex(({ email }) => email === admin)
    faults.push({
      at: `users[${at}].roles`,
      why: `none of them has ${ADMIN_PERMISSION}, for ${quote(admin)}`,
    })
  }
  const twice = seed.users.findIndex(({ email, password }) => email === admin && password !== undefined)
  if (twice !== -1) {
    faults.push({
      at: `users[${twice}].password_file`,
      why: 'the password of the admin is asked for instead',
    })
  }
  faults.push(...findSeedFaults(seed, demands))
  if (faults.length > 0) throw describeSeedFaults(faults)
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

function readRoles(root: JsonObject, faults: SeedFault[]): Record<string, readonly string[]> {
  const roles = root['roles'] ?? {}
  if (!isObject(roles)) {
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

function readUser(reader: Reader, readFile: SeedReading['readPassword']): SeedUser {
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

function readPassword(reader: Reader, readFile: SeedReading['readPassword']): { password?: string } {
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

function readResource(reader: Reader): SeedResource {
  const resource = { uri: reader.text('uri'), permissions: reader.permissions('permissions') }
  if (resource.uri !== '') reader.check(() => assertResourceUri(resource.uri), 'uri')
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
    allowedPermissions: reader.permissions('allowed_permissions'),
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

function readList<T>(
  root: JsonObject,
  name: string,
  faults: SeedFault[],
  readItem: (reader: Reader) => T,
): T[] {
  const list = root[name] ?? []
  if (!Array.isArray(list)) {
    faults.push({ at: name, why: 'is not a list' })
    return []
  }
  return list.map((item, index) => {
    const at = `${name}[${index}]`
    if (isObject(item)) return readItem(createReader(item, at, name, faults))
    faults.push({ at, why: 'is not an object' })
    // So that what comes after it keeps its place; what is wrong with it has been said.
    return readItem(createReader({}, at, name, []))
  })
}

function createReader(object: JsonObject, at: string, kind: string | undefined, faults: SeedFault[]): Reader {
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
    permissions(name) {
      const list = reader.texts(name)
      const strangers = list.flatMap((text, index) => (isPermission(text) ? [] : [{ text, index }]))
      for (const { text, index } of strangers) {
        fault(`${name}[${index}]`, `${quote(text)} is not a permission such as billing:read`)
      }
      if (strangers.length === 0) reader.check(() => parsePermissions(list), name)
      return list
    },
    textMap: (name) => read(name, 'an object of texts', isTextMap),
    wholeNumber: (name) => read(name, 'a whole number that is more than 0', isCount),
    yesOrNo: (name) => read(name, 'true or false', (value) => typeof value === 'boolean'),
    fault,
    check(run, member) {
      const place = member === undefined ? at : placeOf(member)
      // What is missing or of the wrong type has been reported already, and better.
      if (faults.some((former) => former.at === place || former.at.startsWith(`${place}.`))) return
      try {
        run()
      } catch (error) {
        if (!AuthsecError.is(error)) throw error
        const { message } = error
        // Most say first which member they mean.
        const [first = ''] = message.split(' ')
        const isMember = member === undefined && known?.includes(first)
        faults.push(
          isMember
            ? { at: placeOf(first), why: message.slice(first.length + 1) }
            : { at: place, why: message },
        )
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
