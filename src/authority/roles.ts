import type { AuditDraft } from '../core/audit-record.js'
import { AuthsecError } from '../core/errors.js'
import { parsePermissions, sortPermissions } from '../core/permission.js'
import { quote } from '../core/printable.js'
import type { ListedUser, Queries, Role, Store, Transaction } from '../store/store.js'
import type { AuditLog, Provenance } from './audit/log.js'
import { ADMIN_PERMISSION, type Session } from './sessions.js'

/** What people may do and delegate, by the name of what they are. */
export interface Roles {
  /** Every role of the tenant, by name. */
  list(): Promise<Role[]>
  /** Throws `invalid_request` for what can be no name, `invalid_scope`, or `conflict` when the name is taken. */
  create(role: Role, session: Session, provenance: Provenance): Promise<Role>
  /**
   * Gives a role other permissions, which whoever has it holds from the next pull and exchange on. Throws `not_found`,
   * `invalid_scope`, or `conflict` where nobody would be left to administer the server.
   */
  update(role: Role, session: Session, provenance: Provenance): Promise<Role>
}

const MAX_NAME_LENGTH = 256
// As it is listed, quoted and compared: visible from end to end.
const NAME = /^[^\s\p{C}](?:[^\p{C}\p{Zl}\p{Zp}]*[^\s\p{C}])?$/u

export function createRoles({ store, audit }: { store: Store; audit: AuditLog }): Roles {
  function change(
    type: 'role.created' | 'role.updated',
    { name, permissions: asked }: Role,
    { user }: Session,
    provenance: Provenance,
    work: (transaction: Transaction, role: Role) => Promise<void>,
  ): Promise<Role> {
    const draft: AuditDraft = { type, actor: { type: 'user', id: user.id }, details: { name } }
    return audit.attempt(draft, provenance, async (attempt) => {
      assertRoleName('name', name)
      const permissions = sortPermissions(parsePermissions(asked))
      attempt.note({ permissions: { granted: permissions } })
      const role = { name, permissions }
      await attempt.commit((transaction) => work(transaction, role))
      return role
    })
  }

  return {
    list: () => store.users.listRoles(),

    create: (role, session, provenance) =>
      change('role.created', role, session, provenance, async ({ users }, made) => {
        if (await hasRole(users, made.name)) {
          throw new AuthsecError('conflict', `the role ${quote(made.name)} exists already`)
        }
        await users.insertRole(made)
      }),

    update: (role, session, provenance) =>
      change('role.updated', role, session, provenance, async ({ users }, changed) => {
        if (!(await hasRole(users, changed.name))) {
          throw new AuthsecError('not_found', `no role ${quote(changed.name)}`)
        }
        await users.updateRole(changed)
        await assertAdministered(users)
      }),
  }
}

/** Throws `invalid_request` for what can be no name of a role. */
export function assertRoleName(field: string, name: string): void {
  if (name === '') throw new AuthsecError('invalid_request', `${field} is empty`)
  if (name.length <= MAX_NAME_LENGTH && NAME.test(name)) return
  throw new AuthsecError(
    'invalid_request',
    `${field} ${quote(name)} has to have 1 to ${MAX_NAME_LENGTH} characters, all of them visible`,
  )
}

/**
 * Throws `conflict` where nobody is left who can log in and administer the server. A change is checked once it is
 * made: of two that run beside each other the second waits for the first, and sees it.
 */
export async function assertAdministered(users: Queries['users']): Promise<void> {
  if ((await listAdmins(users)).some(({ hasPassword }) => hasPassword)) return
  throw new AuthsecError('conflict', `nobody would be left who can log in and has ${ADMIN_PERMISSION}`, {
    hint: 'Give it to somebody else with a password first.',
  })
}

/** Who may administer the server and is active, by e-mail address. */
export async function listAdmins(users: Queries['users']): Promise<ListedUser[]> {
  const roles = await users.listRoles()
  const ofAdmins = roles.filter(({ permissions }) => permissions.includes(ADMIN_PERMISSION))
  const isAdmin = (role: string) => ofAdmins.some(({ name }) => name === role)
  return (await users.list()).filter(({ active, roles }) => active && roles.some(isAdmin))
}

async function hasRole(users: Queries['users'], name: string): Promise<boolean> {
  return (await users.listRoles()).some((role) => role.name === name)
}
