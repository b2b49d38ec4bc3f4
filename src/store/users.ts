import type { Kysely } from 'kysely'
import { readList } from './columns.js'
import type { Schema } from './schema.js'
import type { ListedUser, User, UserChanges } from './store.js'

export function createUsers(db: Kysely<Schema>, touch: () => Promise<void>): UserChanges {
  const withRoles = () =>
    db
      .selectFrom('users')
      .leftJoin('role_bindings', 'role_bindings.user_id', 'users.id')
      .leftJoin('roles', 'roles.name', 'role_bindings.role_name')
      .select(['users.id', 'users.email', 'users.active', 'roles.name as role', 'roles.permissions'])

  async function bind(id: string, roles: readonly string[]): Promise<void> {
    const bindings = roles.map((role) => ({ user_id: id, role_name: role }))
    if (bindings.length > 0) await db.insertInto('role_bindings').values(bindings).execute()
  }

  return {
    async find(id) {
      return toUser(await withRoles().where('users.id', '=', id).execute())
    },
    async findByEmail(email) {
      const exactly = await withRoles().where('users.email', '=', email).execute()
      if (exactly.length > 0) return toUser(exactly)
      const alike = await withRoles()
        .where((users) =>
          users(users.fn('lower', ['users.email']), '=', users.fn('lower', [users.val(email)])),
        )
        .execute()
      return new Set(alike.map(({ id }) => id)).size === 1 ? toUser(alike) : undefined
    },
    async list({ id } = {}) {
      const everybody = db
        .selectFrom('users')
        .leftJoin('role_bindings', 'role_bindings.user_id', 'users.id')
        .leftJoin('passwords', 'passwords.user_id', 'users.id')
        .select([
          'users.id',
          'email',
          'active',
          'created_at',
          'role_name as role',
          'passwords.user_id as known',
        ])
        .orderBy('email')
        .orderBy('role_name')
      const rows = await (id === undefined ? everybody : everybody.where('users.id', '=', id)).execute()
      const users = new Map<string, ListedUser & { roles: string[] }>()
      for (const { id, email, active, created_at: createdAt, role, known } of rows) {
        const user = users.get(id) ?? {
          id,
          email,
          active: active === 1,
          roles: [],
          hasPassword: known !== null,
          createdAt,
        }
        if (role !== null) user.roles.push(role)
        users.set(id, user)
      }
      return [...users.values()]
    },
    async listRoles() {
      const rows = await db.selectFrom('roles').selectAll().orderBy('name').execute()
      return rows.map(({ name, permissions }) => ({ name, permissions: readList(permissions) }))
    },
    async insertRole({ name, permissions }) {
      await db
        .insertInto('roles')
        .values({ name, permissions: JSON.stringify(permissions) })
        .execute()
      await touch()
    },
    async updateRole({ name, permissions }) {
      await db
        .updateTable('roles')
        .set({ permissions: JSON.stringify(permissions) })
        .where('name', '=', name)
        .execute()
      await touch()
    },
    async insert({ id, email, roles, createdAt }) {
      await db.insertInto('users').values({ id, email, active: 1, created_at: createdAt }).execute()
      await bind(id, roles)
      await touch()
    },
    async update({ id, roles, active }) {
      await db
        .updateTable('users')
        .set({ active: active ? 1 : 0 })
        .where('id', '=', id)
        .execute()
      await db.deleteFrom('role_bindings').where('user_id', '=', id).execute()
      await bind(id, roles)
      await touch()
    },
  }
}

/** One user from one row for each role. */
function toUser(
  rows: readonly {
    id: string
    email: string
    active: number
    role: string | null
    permissions: string | null
  }[],
): User | undefined {
  const [first] = rows
  if (first === undefined) return undefined
  return {
    id: first.id,
    email: first.email,
    active: first.active === 1,
    roles: rows.flatMap(({ role }) => role ?? []),
    permissions: new Set(rows.flatMap(({ permissions }) => readList(permissions ?? '[]'))),
  }
}
