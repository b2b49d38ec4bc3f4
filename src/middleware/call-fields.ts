import { MAX_CALL_BYTES, parseCallArguments } from '../core/call-binding.js'
import { AuthsecError } from '../core/errors.js'
import { assertMembers, type MembersOf } from '../core/option-checks.js'
import { quote } from '../core/printable.js'
import { isJsonObject, type Json, type JsonObject } from '../core/strict-json.js'

/**
 * Every field that the requests of a route may have, by its name, wherever it stands: in the path, the query or the
 * JSON body. A field that is not named here is refused: it could change what a bound call does.
 */
export interface CallFields {
  /** The arguments of the call, by the names that they have in the tool. */
  bound: readonly string[]
  /** What may differ between two requests for the same call. */
  unbound?: readonly string[]
  /**
   * Where the routers of a route of express are mounted, as `app.use` is told: `/api`, or `/accounts/:account`, of which
   * `account` is a field too. A route under a mounted router has to say it: express may not show what stands there.
   */
  mount?: string
}

/** Where the fields of a request stand. */
export interface RequestFields {
  path(): Readonly<Record<string, unknown>>
  /** The beginning of the path that those leave out. */
  mountedAt?: string | undefined
  query(): Iterable<[name: string, value: string]>
  /** The parsed body; undefined where there is none. */
  body(): Promise<unknown>
}

const MEMBERS: MembersOf<CallFields> = { bound: 1, unbound: 1, mount: 1 }

/** Throws `configuration` for members that there are not, and a `TypeError` for what could not be held to. */
export function assertCallFields(fields: CallFields): void {
  assertMembers('the fields of a call', fields, MEMBERS)
  const { bound, unbound = [], mount } = fields
  const names = [bound, unbound].flatMap((list) => (Array.isArray(list) ? list : [undefined]))
  if (names.some((name) => typeof name !== 'string' || name === '')) {
    throw new TypeError('the fields of a call are names, in "bound" and "unbound"')
  }
  if (mount !== undefined && !(typeof mount === 'string' && mount.startsWith('/'))) {
    throw new TypeError('the mount of a call is a path')
  }
  if (new Set(names).size < names.length) throw new TypeError('a field of a call is named twice')
}

/**
 * The arguments of the call that a request makes. Throws `field_unbound` for a field that the route does not name, and
 * `call_mismatch` for one that stands twice or a body that is no JSON object: two readers could make two calls of it.
 */
export async function collectCall(
  { bound, unbound = [], mount = '' }: CallFields,
  request: RequestFields,
): Promise<JsonObject> {
  const body = (await request.body()) ?? {}
  if (!isJsonObject(body)) throw mismatch('the body is no JSON object')
  const path = request.path()
  // A router that is told to merge shows them as well.
  const above = readMount(mount, request.mountedAt ?? '').filter(([name, value]) => path[name] !== value)
  const fields = [...above, ...Object.entries(path), ...request.query(), ...Object.entries(body)]
  const named = new Map<string, unknown>()
  for (const [name, value] of fields) {
    if (named.has(name)) throw mismatch(`the field ${quote(name, 100)} stands twice`)
    named.set(name, value)
    if (bound.includes(name) || unbound.includes(name)) continue
    throw new AuthsecError('field_unbound', `the field ${quote(name, 100)} is neither bound nor unbound`)
  }
  return Object.fromEntries([...named].filter(([name]) => bound.includes(name))) as Record<string, Json>
}

// The fields of the path above a route. Throws a TypeError where the route does not say what stands there.
function readMount(mount: string, path: string): [name: string, value: string][] {
  const values = path.split('/')
  const names = mount.replace(/\/$/, '').split('/')
  const isThere = (name: string, at: number) =>
    name.startsWith(':') || name.toLowerCase() === values[at]?.toLowerCase()
  if (names.length !== values.length || !names.every(isThere)) {
    throw new TypeError('the "mount" of the call does not say where its route is mounted')
  }
  return names.flatMap((name, at) =>
    name.startsWith(':') ? [[name.slice(1), decodeURIComponent(values[at] as string)]] : [],
  )
}

/** Reads a body that nobody has read yet; throws `call_mismatch` for what no call can be bound to. */
export async function parseBody(chunks: AsyncIterable<Uint8Array>): Promise<JsonObject | undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let text = ''
  let size = 0
  try {
    for await (const chunk of chunks) {
      size += chunk.byteLength
      if (size > MAX_CALL_BYTES) throw mismatch('the body is too large')
      text += decoder.decode(chunk, { stream: true })
    }
    text += decoder.decode()
  } catch (error) {
    throw error instanceof TypeError ? unreadable() : error
  }
  return parseText(text)
}

/** The same of a body that has been read. */
export function parseText(text: string): JsonObject | undefined {
  try {
    return text === '' ? undefined : parseCallArguments(text)
  } catch (error) {
    throw AuthsecError.is(error, 'invalid_request') ? unreadable() : error
  }
}

function unreadable(): AuthsecError {
  return mismatch('the body is not JSON that a call can be bound to')
}

function mismatch(message: string): AuthsecError {
  return new AuthsecError('call_mismatch', message)
}
