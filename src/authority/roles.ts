import type { Role, Store } from '../store/store.js'

export interface Roles {
  /** Every role of the tenant, by name. */
  list(): Promise<Role[]>
}

export function createRoles({ store }: { store: Store }): Roles {
  return { list: () => store.users.listRoles() }
}
