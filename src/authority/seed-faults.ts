import { ANY_RESOURCE, AUTHSEC_AUDIENCE, grantedResources } from '../core/delegation.js'
import { AuthsecError } from '../core/errors.js'
import { isPermission } from '../core/permission.js'
import { choosePolicy, delegablePermissions } from '../core/policy.js'
import { quote, toPrintable } from '../core/printable.js'
import { AGENT_CLIENT_TYPE } from './clients.js'
import { assertPassword } from './passwords.js'
import type { Seed, SeedClient, SeedDelegation, SeedPolicy, SeedUser } from './seed.js'
import { isSeedAdmin } from './seed-admin.js'
import { ADMIN_PERMISSION } from './sessions.js'

/** Something wrong with a seed, and where. */
export interface SeedFault {
  at: string
  why: string
}

/** What is asked of a seed beyond its being one. */
export interface SeedDemands {
  /** Whether it has to have a delegation, as that of a dev server has; default false. */
  delegation?: boolean | undefined
  /** Who of it has to administer the server, with a password that the seed does not say; default: anybody. */
  admin?: string | undefined
  /** Whether its roles could be read: of others nothing can be said, nor of what rests on them; default true. */
  knowsRoles?: boolean | undefined
}

type Report = (at: string, why: string) => void

/**
 * Everything that is wrong with a seed as a whole: names that nobody has or that two have, and delegations that could
 * not be granted. A text that is empty stands for one that has been reported already.
 */
export function findSeedFaults(
  seed: Seed,
  { delegation = false, admin, knowsRoles = true }: SeedDemands = {},
): SeedFault[] {
  const faults: SeedFault[] = []
  const report: Report = (at, why) => faults.push({ at, why })
  if (admin !== undefined) reportAdmin(seed, admin, knowsRoles, report)
  reportTwins(seed, report)
  reportUsers(seed, knowsRoles, report)
  reportPolicies(seed, knowsRoles, report)
  seed.delegations.forEach((_, index) => {
    reportDelegation(seed, index, knowsRoles, report)
  })
  if (delegation && seed.delegations.length === 0)
    report('delegations', 'is empty: a dev server starts with one')
  return faults
}

/** Throws `usage` with every fault of a seed. */
export function assertSeed(seed: Seed, demands?: SeedDemands): void {
  const faults = findSeedFaults(seed, demands)
  if (faults.length > 0) throw describeSeedFaults(faults)
}

/** The error that names all faults of a seed. */
export function describeSeedFaults(faults: readonly SeedFault[]): AuthsecError {
  const list = faults.map(({ at, why }) => `${at}: ${why}`).join('; ')
  const count = faults.length === 1 ? 'a fault' : `${faults.length} faults`
  return new AuthsecError('usage', `the seed has ${count}: ${list}`)
}

function reportAdmin(seed: Seed, email: string, knowsRoles: boolean, report: Report): void {
  seed.users.forEach((user, index) => {
    if (user.email !== email) return
    const at = `users[${index}]`
    if (knowsRoles && !isSeedAdmin(user, seed))
      report(`${at}.roles`, `none of them has ${ADMIN_PERMISSION}, for ${quote(email)}`)
    if (user.password !== undefined) report(at, 'has a password: that of the admin is asked for instead')
  })
}

function reportTwins({ users, clients, resources, policies }: Seed, report: Report): void {
  const lists: [list: string, member: string, values: string[]][] = [
    ['users', 'email', users.map(({ email }) => email)],
    ['clients', 'name', clients.map(({ name }) => name)],
    ['resources', 'uri', resources.map(({ uri }) => uri)],
    [
      'policies',
      'role_name and agent_type',
      policies.map(({ roleName, agentType }) => (roleName && agentType ? `${roleName}/${agentType}` : '')),
    ],
  ]
  for (const [list, member, values] of lists) {
    // Nobody has two addresses that differ in case only.
    const keys = list === 'users' ? values.map((value) => value.toLowerCase()) : values
    values.forEach((value, index) => {
      const first = keys.indexOf(keys[index] ?? '')
      if (value !== '' && first < index) {
        report(`${list}[${index}]`, `has the ${member} ${quote(value, 200)} of ${list}[${first}]`)
      }
    })
  }
}

function reportUsers(seed: Seed, knowsRoles: boolean, report: Report): void {
  const { users, roles } = seed
  users.forEach((user, index) => {
    reportPassword(user, index, report)
    user.roles.forEach((role, place) => {
      const at = `users[${index}].roles[${place}]`
      if (knowsRoles && !Object.hasOwn(roles, role)) report(at, `no role ${quote(role)}`)
      else if (user.roles.indexOf(role) < place) report(at, `has ${quote(role)} twice`)
    })
  })
  if (knowsRoles && !users.some((user) => isSeedAdmin(user, seed)))
    report('users', `nobody has a role with ${ADMIN_PERMISSION}`)
}

function reportPassword({ password }: SeedUser, index: number, report: Report): void {
  try {
    if (password !== undefined) assertPassword(password)
  } catch (error) {
    if (!AuthsecError.is(error)) throw error
    report(`users[${index}].password`, error.message)
  }
}

function reportPolicies(
  { policies, roles, clients, resources }: Seed,
  knowsRoles: boolean,
  report: Report,
): void {
  const uris = resources.map(({ uri }) => uri)
  const held = new Set(Object.values(roles).flat())
  policies.forEach((policy, index) => {
    const at = `policies[${index}]`
    if (knowsRoles && policy.roleName !== '' && !Object.hasOwn(roles, policy.roleName)) {
      report(`${at}.role_name`, `no role ${quote(policy.roleName)}`)
    }
    if (policy.client !== undefined && !clients.some(({ name }) => name === policy.client)) {
      report(`${at}.client`, `no client ${quote(policy.client)}`)
    }
    // What no role holds nobody can delegate.
    policy.allowedPermissions.forEach((permission, place) => {
      if (knowsRoles && isPermission(permission) && !held.has(permission)) {
        report(`${at}.allowed_permissions[${place}]`, `no role has ${quote(permission)}`)
      }
    })
    policy.resources.forEach((uri, place) => {
      if (uri !== ANY_RESOURCE && !uris.includes(uri)) {
        report(`${at}.resources[${place}]`, `no resource ${quote(uri, 200)}`)
      }
    })
  })
}

/** Why a delegation could not be granted, asked in the order in which granting asks. */
function reportDelegation(seed: Seed, index: number, knowsRoles: boolean, report: Report): void {
  const { users, clients, roles } = seed
  const { client: name, user: email, audience } = seed.delegations[index] as SeedDelegation
  const at = `delegations[${index}]`
  const client = clients.find((candidate) => candidate.name === name)
  const user = users.find((candidate) => candidate.email === email)
  if (client === undefined && name !== '') report(`${at}.client`, `no client ${quote(name)}`)
  if (user === undefined && email !== '') report(`${at}.user`, `no user ${quote(email)}`)
  if (client === undefined || user === undefined) return
  // What follows from a role that nobody has defined is no fault of its own.
  if (!knowsRoles || user.roles.some((role) => !Object.hasOwn(roles, role))) return
  const policy = findPolicy(seed, user, client)
  const refusal = refuse(seed, user, client, policy)
  if (refusal !== undefined) report(`${at}${refusal.member}`, refusal.why)
  else if (policy !== undefined) reportAudience(seed, policy, audience ?? [AUTHSEC_AUDIENCE], at, report)
}

/** Why a user could not delegate to a client, whatever the audience; undefined where that is no question. */
function refuse(
  { roles }: Seed,
  user: SeedUser,
  { name, clientType, agentType }: SeedClient,
  policy: SeedPolicy | undefined,
): { member: '' | '.client'; why: string } | undefined {
  if (clientType !== AGENT_CLIENT_TYPE) {
    const why = `client ${quote(name)} is no agent: its client_type is not ${AGENT_CLIENT_TYPE}`
    return { member: '.client', why }
  }
  if (agentType === undefined) {
    return { member: '.client', why: `agent ${quote(name)} has no agent_type, by which policies know it` }
  }
  if (policy === undefined) {
    const held = toPrintable(user.roles.join(' or '))
    if (held === '') return { member: '', why: `${quote(user.email)} has no roles` }
    return { member: '', why: `no enabled policy lets ${held} delegate to agent type ${quote(agentType)}` }
  }
  if (policy.client !== undefined && policy.client !== name) {
    return { member: '', why: `the policy is for client ${quote(policy.client)}, not ${quote(name)}` }
  }
  if (delegablePermissions(permissionsOf(user, roles), { ...policy, enabled: true }).size === 0) {
    return { member: '', why: `${quote(user.email)} holds no permission that the policy allows` }
  }
  return undefined
}

function reportAudience(
  { resources }: Seed,
  policy: SeedPolicy,
  audience: readonly string[],
  at: string,
  report: Report,
): void {
  if (audience.includes(AUTHSEC_AUDIENCE)) {
    if (policy.resources.length === 0) report(at, 'the policy reaches no resource')
    return
  }
  if (audience.length === 0) report(`${at}.audience`, 'is empty')
  audience.forEach((uri, place) => {
    if (!resources.some((resource) => resource.uri === uri)) {
      report(`${at}.audience[${place}]`, `no resource ${quote(uri, 200)}`)
    } else if (grantedResources(policy.resources, [uri]).length === 0) {
      report(`${at}.audience[${place}]`, `the policy does not reach ${quote(uri, 200)}`)
    }
  })
}

function findPolicy({ policies }: Seed, user: SeedUser, client: SeedClient): SeedPolicy | undefined {
  const applicable = policies.filter(
    ({ enabled, agentType, roleName }) =>
      enabled !== false && agentType === client.agentType && user.roles.includes(roleName),
  )
  const byClient = applicable.map((policy) => ({ policy, clientId: policy.client }))
  return choosePolicy(byClient, client.name)?.policy
}

function permissionsOf({ roles: held }: SeedUser, roles: Seed['roles']): Set<string> {
  return new Set(held.flatMap((role) => (Object.hasOwn(roles, role) ? (roles[role] ?? []) : [])))
}
