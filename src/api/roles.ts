import { readShape, readShapes, type Shaped } from './answer.js'
import { type ApiTarget, callServer } from './http.js'
import { explainAbsence } from './refusal.js'

const ROLE = {
  name: 'text',
  /** What whoever has it may do and delegate. */
  permissions: 'texts',
} as const

/** What people may do and delegate, by the name of what they are. */
export type Role = Shaped<typeof ROLE>

export interface RoleTerms {
  name: string
  permissions: readonly string[]
}

const PATH = '/admin/roles'
const WHAT = 'management of roles'

/** Makes a role; throws `conflict` when the name is taken. */
export async function createRole(target: ApiTarget, json: RoleTerms): Promise<Role> {
  const explain = explainAbsence(target, WHAT)
  const request = { method: 'POST', path: PATH, session: 'required', json, explain } as const
  return readShape(await callServer(target, request), ROLE, 'role')
}

/** Every role, by name. */
export async function listRoles(target: ApiTarget): Promise<Role[]> {
  const explain = explainAbsence(target, WHAT)
  const request = { method: 'GET', path: PATH, session: 'required', explain } as const
  return readShapes(await callServer(target, request), ROLE, 'role')
}

/**
 * Gives a role other permissions in the place of those it has; throws `not_found`, and `conflict` where nobody would be
 * left to administer the server.
 */
export async function updateRole(target: ApiTarget, { name, permissions }: RoleTerms): Promise<Role> {
  const body = await callServer(target, {
    method: 'PATCH',
    path: `${PATH}/${encodeURIComponent(name)}`,
    session: 'required',
    json: { permissions },
    explain: ({ status, error }) =>
      status === 404 && /role/i.test(error)
        ? { code: 'not_found', message: `no role ${name}`, hint: 'See authsec role list.' }
        : undefined,
  })
  return readShape(body, ROLE, 'role')
}
