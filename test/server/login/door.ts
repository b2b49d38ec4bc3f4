import { type RunningServer, type ServerOptions, startServer } from '../../../src/server/index.js'

/** A server whose clock stands until a test moves it, and the ways in. */
export interface Door {
  readonly server: RunningServer
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
export const PASSWORDS: Readonly<Record<string, string>> = {
  [ADMIN]: 'correct horse battery',
  [ALICE]: 'staple of alice',
  [BOB]: 'staple of bob, too',
}

export async function openDoor(options: Partial<ServerOptions> = {}): Promise<Door> {
  let now = Date.parse('2026-11-24T09:00:00Z')
  const server = await startServer({
    state: ':memory:',
    port: 0,
    clock: () => now,
    passwords: PASSWORDS,
    ...options,
  })

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
    server,
    pass: (seconds) => {
      now += seconds * 1000
    },
    now: () => now,
    get,
    post,
    form: (path, fields, headers = {}) =>
      call(path, { method: 'POST', body: new URLSearchParams(fields), headers }),
    async login(email = ALICE) {
      const { body } = await post('/authsec/uflow/auth/admin/login', { email, password: PASSWORDS[email] })
      return body.token
    },
    async events(type, last = 1) {
      const { body } = await get(`/audit/events?filter=type=${type}&last=${last}`, server.adminToken)
      return body.events.map(({ event }: { event: LoggedEvent }) => event)
    },
  }
}
