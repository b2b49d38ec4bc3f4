import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startTestServer, type TestServer } from '../support/running-server.js'
import { openShell, type Shell, type Started } from './shell.js'

const UNTIL = ['--until-match', 'type=resource.created']

let shell: Shell
let server: TestServer
/** Every connection to the server, as it sees it. */
const sockets: Socket[] = []
const keep = (message: unknown) => sockets.push((message as { socket: Socket }).socket)
beforeAll(async () => {
  shell = openShell()
  subscribe('net.server.socket', keep)
  server = await startTestServer()
})
afterAll(async () => {
  unsubscribe('net.server.socket', keep)
  await shell.close()
  await server.close()
})

function tail(after: number): Started {
  const env = { AUTHSEC_SERVER: server.url, AUTHSEC_TOKEN: server.adminToken }
  return shell.start(['audit', 'tail', '--cursor', String(after), ...UNTIL], { env })
}

/** What a tail has printed once it has found what it waits for. */
async function readAll(reader: Started): Promise<number[]> {
  const { code, stdout } = await reader.ended()
  expect(code).toBe(0)
  const lines = stdout.trimEnd().split('\n')
  return lines.map((line) => Number(line.split('\t')[0]))
}

const readHead = async () => (await server.call('GET', '/audit/events?last=0', { admin: true })).json.next

// As large as a record of one request gets.
let rules = 0
async function fillLog(): Promise<void> {
  const names = Array.from({ length: 16 }, (_, at) => `claim_${at}_`.padEnd(1_024, 'x'))
  const claims = Object.fromEntries(names.map((name) => [name, 'x'.repeat(512)]))
  const rule = { name: `rule-${rules++}`, issuer: 'https://ci.example', audience: 'authsec', subject: 'job' }
  const json = { ...rule, client_id: server.clientId, claims }
  const reply = await server.call('POST', '/admin/trust-rules', { admin: true, json })
  expect(reply).toMatchObject({ status: 201 })
}

test('a tail whose process is stopped delays no token, takes no memory, and goes on without a miss or a repeat', async () => {
  await server.pull()
  const first = await readHead()
  const before = sockets.length
  const stopped = tail(first - 1)
  expect(await stopped.readLine()).toMatch(new RegExp(`^${first}\t`))
  const connections = sockets.slice(before)
  process.kill(stopped.pid, 'SIGSTOP')
  const [one, other] = [tail(first - 1), tail(first - 1)]

  // Until the system takes no more for it, on either side.
  const held = () => connections.reduce((sum, { writableLength }) => sum + writableLength, 0)
  const isFull = () => connections.some(({ writableNeedDrain }) => writableNeedDrain)
  for (let still = 0; still < 5; still = isFull() ? still + 1 : 0) await fillLog()
  const [full, filled] = [held(), await readHead()]

  // Whoever mints waits for none of the three, and what they write is kept for nobody.
  for (let count = 0; count < 50; count++) {
    expect((await server.exchange()).status).toBe(200)
    if (count % 10 === 0) await fillLog()
    expect(held()).toBe(full)
  }
  expect(await readHead()).toBeGreaterThan(filled + 100)

  // What cuts it off after a minute, within a moment.
  const [stalled] = connections.filter(({ writableNeedDrain }) => writableNeedDrain)
  stalled?.setTimeout(100)
  await once(stalled as Socket, 'close')
  expect(held()).toBe(0)
  await server.exchange()
  const resource = { uri: 'https://last.example', permissions: ['billing:read'] }
  expect(await server.call('POST', '/admin/resources', { admin: true, json: resource })).toMatchObject({
    status: 201,
  })
  const last = await readHead()
  const all = Array.from({ length: last - first + 1 }, (_, at) => first + at)
  for (const reader of [one, other]) expect(await readAll(reader)).toEqual(all)

  process.kill(stopped.pid, 'SIGCONT')
  expect(await readAll(stopped)).toEqual(all)
  const { stderr } = await stopped.ended()
  expect(stderr).toContain('connection lost; reconnecting\n')
})
