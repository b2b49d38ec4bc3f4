import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { decodeJwt } from 'jose'
import { describe, expect, test } from 'vitest'
import type { AuditEntry } from '../../src/core/audit-record.js'
import { startServer } from '../../src/server/index.js'
import { makeDirectory } from '../support/run-cli.js'
import { START, sendBytes, startTestServer, type TestServer } from '../support/running-server.js'

const newState = async () => join(await makeDirectory(), 'state')

async function published(server: TestServer): Promise<unknown[]> {
  const jwks = await server.call('GET', '/oauth/jwks')
  const bundle = await server.call('GET', `/v1/jwt/bundle?tenant_id=${server.tenantId}`)
  const { authsec_tenant, issuer } = (await server.call('GET', '/.well-known/oauth-authorization-server'))
    .json
  return [jwks.json, bundle.json, authsec_tenant, issuer, server.clientId, server.user]
}

test('a server that is given no place for its state says how one is named', async () => {
  await expect(startServer({ port: 0 })).rejects.toMatchObject({
    code: 'usage',
    hint: expect.stringContaining("state: ':memory:'"),
  })
})

describe('a server that is started again on its state', () => {
  test('has its keys, names, clients and log, and takes its old base tokens', async () => {
    const state = await newState()
    const first = await startTestServer({ state })
    const base = await first.pull()
    const issued = await first.exchange({ subject_token: base })
    const client = { name: 'kept', email: 'kept@authsec.test' }
    const clients = `/clientms/tenants/${first.tenantId}/clients`
    const { id } = (await first.call('POST', `${clients}/create`, { admin: true, json: client })).json
    const before = await published(first)
    const log = (await first.call('GET', '/audit/events?limit=1000', { admin: true })).json.events
    await first.close()

    const second = await startTestServer({ state })
    expect(await published(second)).toEqual(before)
    expect(await second.pull()).toBe(base)
    const again = await second.exchange({ subject_token: base })
    expect(again.status).toBe(200)
    // The issuer stays although the port is another one.
    expect(decodeJwt(again.json.access_token).iss).toBe(decodeJwt(issued.json.access_token).iss)
    expect(second.url).not.toBe(first.url)
    const metadata = (await second.call('GET', '/.well-known/oauth-authorization-server')).json
    expect(metadata).toMatchObject({ issuer: first.url, token_endpoint: `${second.url}/oauth/token` })

    expect((await second.call('GET', `${clients}/${id}`, { admin: true })).json).toMatchObject(client)
    const entries = (await second.call('GET', '/audit/events?limit=1000', { admin: true })).json.events
    expect(entries.slice(0, log.length)).toEqual(log)
    const ending = entries.slice(log.length, log.length + 2).map(({ event }: AuditEntry) => event.type)
    expect(ending).toEqual(['audit.read', 'server.stopped'])
    expect(
      entries.filter(({ event }: { event: { boot: string } }) => event.boot === log[0].event.boot),
    ).toHaveLength(log.length + 2)
    await second.close()
  })

  test('knows no session of its former run', async () => {
    const state = await newState()
    const first = await startTestServer({ state })
    await first.close()
    const second = await startTestServer({ state })
    const headers = { authorization: `Bearer ${first.adminToken}` }
    expect(await second.call('GET', '/admin/resources', { headers })).toMatchObject({
      status: 401,
      json: { error: 'Invalid or expired token' },
    })
    await second.close()
  })

  test('grants the seeded delegation anew when it is revoked or runs out, and not otherwise', async () => {
    const state = await newState()
    const first = await startTestServer({ state })
    const base = await first.pull()
    await first.call('POST', `/uflow/admin/agents/${first.clientId}/revoke-token`, { admin: true })
    await first.close()

    const second = await startTestServer({ state })
    const renewed = await second.pull()
    expect(renewed).not.toBe(base)
    expect((await second.exchange({ subject_token: base })).json.error).toBe('invalid_grant')
    await second.close()

    const later = START + 86_400_000 - 1_800_000
    const third = await startTestServer({ state, clock: () => later })
    expect(await third.pull()).not.toBe(renewed)
    await third.close()
  })

  test('keeps its secrets to its owner', async () => {
    const state = await newState()
    const server = await startTestServer({ state })
    for (const file of await readdir(state)) {
      expect((await stat(join(state, file))).mode & 0o077, file).toBe(0)
    }
    expect((await stat(state)).mode & 0o077).toBe(0)
    await server.close()
    // Neither the process nor the journal outlives it.
    const left = await readdir(state)
    expect(left).toEqual(expect.arrayContaining(['authsec.db', 'kek']))
    expect(left.filter((file) => /pid|-wal|-shm|-journal/.test(file))).toEqual([])
  })
})

describe('a server on another loopback address', () => {
  test.each(['127.0.0.2', '::1', '[::1]', 'localhost'])(
    '%s answers there, also on a state that was made elsewhere',
    async (host) => {
      const state = await newState()
      await (await startTestServer({ state })).close()
      const server = await startTestServer({ state, host })
      expect((await server.exchange()).status).toBe(200)
      await server.close()
    },
  )

  test.each([
    '0.0.0.0',
    '::',
    '',
    '10.0.0.1',
    'auth.example',
    '127.0.0.1.evil.example',
    'localhost.',
    '127.0.0.1:80',
  ])('is refused when it is %j, before anything is made', async (host) => {
    const state = await newState()
    await expect(startServer({ port: 0, host, state })).rejects.toMatchObject({ code: 'usage' })
    await expect(stat(state)).rejects.toThrow('ENOENT')
  })
})

describe('a server that cannot start', () => {
  test('because another has the state says which, and leaves that one alone', async () => {
    const state = await newState()
    const first = await startTestServer({ state })
    await expect(startServer({ port: 0, state })).rejects.toMatchObject({
      code: 'state_locked',
      message: expect.stringContaining(`pid ${process.pid}`),
    })
    expect((await first.exchange()).status).toBe(200)
    await first.close()
  })

  test('because the port is taken gives the state back', async () => {
    const state = await newState()
    const first = await startTestServer()
    await expect(startServer({ port: first.port, state })).rejects.toMatchObject({ code: 'port_in_use' })
    const second = await startTestServer({ state })
    await Promise.all([first.close(), second.close()])
  })

  test('on what is no database says so and changes nothing', async () => {
    const state = await newState()
    await mkdir(state, { mode: 0o700 })
    const file = join(state, 'authsec.db')
    await writeFile(file, 'not a database'.repeat(100), { mode: 0o600 })
    await expect(startServer({ port: 0, state })).rejects.toMatchObject({
      code: 'state_unreadable',
      message: expect.not.stringContaining('open to others'),
    })
    expect(await readFile(file, 'utf8')).toBe('not a database'.repeat(100))
    expect(await readdir(state)).toEqual(['authsec.db'])
  })

  test('without its key-encryption key never makes another one', async () => {
    const state = await newState()
    await (await startTestServer({ state })).close()
    const kek = await readFile(join(state, 'kek'), 'utf8')
    await writeFile(join(state, 'kek'), `${Buffer.alloc(32).toString('base64url')}\n`)
    await expect(startServer({ port: 0, state })).rejects.toMatchObject({ code: 'state_unreadable' })
    await writeFile(join(state, 'kek'), kek)
    await (await startTestServer({ state })).close()
  })
})

describe('the end of a server', () => {
  test('answers waiting readers at once and is over, although they keep their connections', async () => {
    const server = await startTestServer()
    const url = `${server.url}/audit/events?after=1000&wait=25`
    const headers = { authorization: `Bearer ${server.adminToken}` }
    // fetch keeps its connections alive.
    const readers = Array.from({ length: 5 }, () => fetch(url, { headers }).then((reply) => reply.json()))
    await server.pull()
    const started = performance.now()
    await server.close()
    expect(performance.now() - started).toBeLessThan(15_000)
    for (const reader of readers) expect(await reader).toEqual({ events: [], next: 1000 })
  })

  test('answers what is under way and records it', async () => {
    const state = await newState()
    const server = await startTestServer({ state })
    const subject_token = await server.pull()
    const under = Array.from({ length: 20 }, () => server.exchange({ subject_token }))
    // All of them have arrived once the first is answered.
    await Promise.race(under)
    await server.close()
    const replies = await Promise.allSettled(under)
    const ids = replies.flatMap((reply) =>
      reply.status === 'fulfilled' ? [reply.value.json.authsec_audit] : [],
    )
    expect(ids.length).toBeGreaterThan(0)

    const second = await startTestServer({ state })
    const found = await second.call('GET', '/audit/events?filter=type=token.exchanged&limit=1000', {
      admin: true,
    })
    const recorded = found.json.events.map(({ event }: { event: { id: string } }) => event.id)
    expect(recorded).toEqual(expect.arrayContaining(ids))
    await second.close()
  })

  test('is not held up by connections that say nothing, or half of something', async () => {
    const server = await startTestServer()
    const sockets = [
      '',
      'GET / HT',
      'POST /oauth/token HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n',
    ].map((text) => {
      const socket = connect(server.port, '127.0.0.1', () => socket.write(text))
      socket.on('error', () => {})
      return socket
    })
    await sendBytes(server.port, 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n')
    const started = performance.now()
    await server.close()
    expect(performance.now() - started).toBeLessThan(15_000)
    for (const socket of sockets) socket.destroy()
  })

  test('happens once, however often it is asked for, and frees port and state', async () => {
    const state = await newState()
    const server = await startTestServer({ state })
    await Promise.all([server.close(), server.close()])
    await server.close()
    const next = await startTestServer({ state, port: server.port })
    const stops = await next.call('GET', '/audit/events?filter=type=server.stopped', { admin: true })
    expect(stops.json.events).toHaveLength(1)
    await next.close()
  })

  test('leaves a server without a socket that refuses politely', async () => {
    const server = await startTestServer()
    await server.close()
    const reply = await server.fetch(
      new Request(`${server.url}/uflow/sdk/delegation-token?client_id=${server.clientId}`),
    )
    expect([reply.status, reply.headers.get('retry-after')]).toEqual([503, '1'])
    server.surprises.splice(0)
  })
})
