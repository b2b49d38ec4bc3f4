import { readShape, readShapes, type Shaped } from './answer.js'
import { type ApiTarget, callServer } from './http.js'
import { explainAbsence } from './refusal.js'

const USER = {
  /** A UUID: what tokens and the audit log call them. */
  id: 'text',
  email: 'text',
  /** The names of their roles. */
  roles: 'texts',
  /** Who is not neither logs in nor is acted for. */
  active: 'flag',
  /** Who has none cannot log in. */
  has_password: 'flag',
  /** RFC 3339. */
  created_at: 'text?',
} as const

/** Somebody who may log in, and for whom agents may act. */
export type User = Shaped<typeof USER>

/** What is to be changed of a user; what is left out stays. */
export interface UserPatch {
  /** In the place of those they have. */
  roles?: readonly string[] | undefined
  active?: boolean | undefined
  password?: string | undefined
}

const PATH = '/admin/users'
const WHAT = 'management of users'

/** Adds a user; throws `conflict` when the address is taken. */
export async function createUser(
  target: ApiTarget,
  json: { email: string; roles: readonly string[]; password?: string | undefined },
): Promise<User> {
  const explain = explainAbsence(target, WHAT)
  const request = { method: 'POST', path: PATH, session: 'required', json, explain } as const
  return readShape(await callServer(target, request), USER, 'user')
}

/** Every user, by e-mail address. */
export async function listUsers(target: ApiTarget): Promise<User[]> {
  const explain = explainAbsence(target, WHAT)
  const request = { method: 'GET', path: PATH, session: 'required', explain } as const
  return readShapes(await callServer(target, request), USER, 'user')
}

/** Changes a user; throws `not_found`, and `conflict` where nobody would be left to administer the server. */
export async function updateUser(target: ApiTarget, id: string, json: UserPatch): Promise<User> {
  const path = `${PATH}/${encodeURIComponent(id)}`
  const body = await callServer(target, { method: 'PATCH', path, session: 'required', json })
  return readShape(body, USER, 'user')
}
