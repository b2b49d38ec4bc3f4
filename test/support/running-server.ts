import { existsSync } from 'node:fs'
import { request as sendRequest } from 'node:http'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, inject } from 'vitest'
import { type RunningServer, type ServerOptions, startServer } from '../../src/server/index.js'
import { doAfterEach } from './after-each.js'

/** What came back, whatever it was. */
export interface Reply {
  status: number
  headers: Readonly<Record<string, string | string[] | undefined>>
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: an answer is whatever the server says; the tests look closer.
  json: any
}

export interface Call {
  headers?: Readonly<Record<string, string>>
  json?: unknown
  form?: Readonly<Record<string, string>> | string
  body?: string | Uint8Array
  /** Whether the session of the admin goes along. */
  admin?: boolean
}

/** A server on a loopback socket whose time only moves when a test says so. */
export interface TestServer extends RunningServer {
  port: number
  /** Milliseconds since the epoch, as the server sees it. */
  now: number
  /** What went wrong inside; empty after every test that is all right. */
  surprises: unknown[]
  /** Sends a request over a connection of its own. */
  call(method: string, path: string, call?: Call): Promise<Reply>
  /** The seeded agent's base token. */
  pull(): Promise<string>
  /** A token exchange of the seeded agent for the billing API, unless the fields say otherwise. */
  exchange(fields?: Record<string, string>): Promise<Reply>
}

export const START: number = Date.parse('2026-11-24T09:00:00.789Z')
export const BILLING = 'https://billing.example'
export const UUID: RegExp = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** What each server has told that nobody expected. */
const told: unknown[][] = []

doAfterEach(() => {
  expect(told.flatMap((surprises) => surprises.splice(0))).toEqual([])
})

export async function startTestServer(options: Partial<ServerOptions> = {}): Promise<TestServer> {
  const surprises: unknown[] = []
  const time = { now: START }
  const started = await startServer({
    ...(options.store === undefined && { state: ':memory:' }),
    port: 0,
    ...(!hasState(options) && { keys: { import: inject('serverKeys') } }),
    clock: () => time.now,
    onSurprise: (error) => surprises.push(error),
    ...options,
  })
  const port = Number(new URL(started.url).port)
  const server: TestServer = {
    ...started,
    port,
    surprises,
    get now() {
      return time.now
    },
    set now(to: number) {
      time.now = to
    },
    call: (method, path, call = {}) => send(started, method, path, call),
    async pull() {
      const path = `/authsec/uflow/sdk/delegation-token?client_id=${started.clientId}`
      return (await server.call('GET', path)).json.token
    },
    async exchange(fields = {}) {
      const form = { ...exchangeForm(started.clientId), ...fields }
      return server.call('POST', '/oauth/token', {
        form: 'subject_token' in form ? form : { ...form, subject_token: await server.pull() },
      })
    },
  }
  told.push(surprises)
  return server
}

export function exchangeForm(clientId: string): Record<string, string> {
  return {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    client_id: clientId,
    resource: BILLING,
  }
}

/** Writes bytes to a connection, in pieces that are read apart, and returns all that comes back until it is closed. */
export function sendBytes(port: number, ...pieces: (string | Uint8Array)[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    const chunks: Buffer[] = []
    socket.setTimeout(5_000, () => {
      socket.destroy()
      reject(new Error(`no end of the connection after ${Buffer.concat(chunks)}`))
    })
    socket.on('data', (chunk) => chunks.push(chunk))
    // A connection that is cut off has come to an end too.
    socket.on('error', () => {})
    socket.on('close', () => resolve(Buffer.concat(chunks).toString('latin1')))
    void writeApart(socket, pieces)
  })
}

async function writeApart(socket: Socket, pieces: (string | Uint8Array)[]): Promise<void> {
  for (const [index, piece] of pieces.entries()) {
    if (index > 0) await delay(50)
    socket.write(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece)
  }
}

// One that is there has keys of its own.
function hasState({ state }: Partial<ServerOptions>): boolean {
  return state !== undefined && existsSync(join(state, 'authsec.db'))
}

function send(server: RunningServer, method: string, path: string, call: Call): Promise<Reply> {
  const { url, adminToken } = server
  const [body, contentType] = encodeBody(call)
  const headers: Record<string, string> = {
    ...(call.admin && { authorization: `Bearer ${adminToken}` }),
    ...(contentType && { 'content-type': contentType }),
    ...call.headers,
  }
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const request = sendRequest(
      { hostname: hostname.replace(/^\[|\]$/g, ''), port, method, path, headers, agent: false },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8')
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text,
            json:
              response.headers['content-type'] === 'application/json' && text ? JSON.parse(text) : undefined,
          })
        })
      },
    )
    request.on('error', reject)
    request.end(body)
  })
}

function encodeBody({ json, form, body }: Call): [string | Uint8Array | undefined, string | undefined] {
  if (json !== undefined) return [JSON.stringify(json), 'application/json']
  if (form !== undefined) return [new URLSearchParams(form).toString(), 'application/x-www-form-urlencoded']
  return [body, undefined]
}
