import { AuthsecError } from '../core/errors.js'
import { quote } from '../core/printable.js'
import { isEmail } from './clients.js'
import type { Seed, SeedUser } from './seed.js'
import { ADMIN_PERMISSION } from './sessions.js'

/** What the role of an admin is called that no seed names. */
const ADMIN_ROLE = 'admin'

/**
 * A seed in which somebody administers the server. Who is not in it yet gets a role of it that may, or else a new one:
 * nobody but the admin becomes more than the seed says. Throws `usage` for what is no e-mail address.
 */
export function addAdmin(seed: Seed, email: string): Seed {
  if (!isEmail(email)) {
    throw new AuthsecError('usage', `${quote(email)} is not an e-mail address`)
  }
  if (seed.users.some((user) => user.email === email)) return seed
  const known = Object.keys(seed.roles).find((role) => seed.roles[role]?.includes(ADMIN_PERMISSION))
  const role = known ?? findFreeName(seed)
  return {
    ...seed,
    roles: known === undefined ? { ...seed.roles, [role]: [ADMIN_PERMISSION] } : seed.roles,
    users: [...seed.users, { email, roles: [role] }],
  }
}

/** Whether somebody of a seed may administer the server. */
export function isSeedAdmin({ roles: held }: SeedUser, { roles }: Seed): boolean {
  return held.some((role) => Object.hasOwn(roles, role) && roles[role]?.includes(ADMIN_PERMISSION))
}

function findFreeName({ roles }: Seed): string {
  let name = ADMIN_ROLE
  while (Object.hasOwn(roles, name)) name = `server-${name}`
  return name
}
