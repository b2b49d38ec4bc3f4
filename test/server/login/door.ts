import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inject } from 'vitest'
import { type RunningServer, type ServerOptions, startServer } from '../../../src/server/index.js'

/** A server whose clock stands until a test moves it, and the ways in. */
export interface Door {
  readonly server: RunningServer
  /** Of the seeded users: those that nobody chose, which are checked in no time. */
  readonly passwords: Readonly<Record<string, string>>
  /** Lets time pass, in seconds. */
  pass(seconds: number): void
  now(): number
  get(path: string, token?: string): Promise<Answer>
  post(path: string, body: object | string, token?: string): Promise<Answer>
  form(path: string, fields: Record<string, string>, headers?: Record<string, string>): Promise<Answer>
  /** Logs somebody in and returns the session token. */
  login(email?: string): Promise<string>
  /** The newest events of a type. */
  events(type: string, last?: number): Promise<LoggedEvent[]>
}

export interface Answer {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: an answer is whatever the server says; the tests look closer.
  body: any
}

// biome-ignore lint/suspicious/noExplicitAny: so is a record.
type LoggedEvent = any

export const ADMIN = 'admin@authsec.test'
export const ALICE = 'alice@authsec.test'
export const BOB = 'bob@authsec.test'

export async function openDoor(options: Partial<ServerOptions> = {}): Promise<Door> {
  let now = Date.parse('2026-11-24T09:00:00Z')
  const own = options.state === undefined ? await mkdtemp(join(tmpdir(), 'authsec-door-')) : undefined
  const state = options.state ?? join(own ?? '', 'state')
  const clear = async () => {
    if (own !== undefined) await rm(own, { recursive: true })
  }
  const server = await startServer({
    state,
    port: 0,
    keys: { import: inject('serverKeys') },
    clock: () => now,
    ...options,
  }).catch(async (error) => {
    await clear()
    throw error
  })
  const passwords = JSON.parse(await readFile(join(state, 'passwords.json'), 'utf8'))
  const close = () => server.close().then(clear)

  async function call(path: string, init: RequestInit): Promise<Answer> {
    const response = await fetch(`${server.url}${path}`, { redirect: 'manual', ...init })
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.startsWith('application/json') ?? false
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text }
  }

  const bearer = (token: string | undefined): Record<string, string> =>
    token === undefined ? {} : { authorization: `Bearer ${token}` }
  const get = (path: string, token?: string) => call(path, { headers: bearer(token) })
  const post = (path: string, body: object | string, token?: string) =>
    call(path, {
      method: 'POST',
      body: typeof body === 'string' ? body : JSON.stringify(body),
      headers: { 'content-type': 'application/json', ...bearer(token) },
    })

  return {
    server: { ...server, close },
    passwords,
    pass: (seconds) => {
      now += seconds * 1000
    },
    now: () => now,
    get,
    post,
    form: (path, fields, headers = {}) =>
      call(path, { method: 'POST', body: new URLSearchParams(fields), headers }),
    async login(email = ALICE) {
      const { body } = await post('/authsec/uflow/auth/admin/login', { email, password: passwords[email] })
      return body.token
    },
    async events(type, last = 1) {
      const { body } = await get(`/audit/events?filter=type=${type}&last=${last}`, server.adminToken)
      return body.events.map(({ event }: { event: LoggedEvent }) => event)
    },
  }
}
