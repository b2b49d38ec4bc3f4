import { connect } from 'node:net'
import { afterEach, describe, expect, inject, onTestFinished, test } from 'vitest'
import { createReadiness } from '../../src/authority/readiness.js'
import { AuthsecError } from '../../src/core/errors.js'
import { startServer } from '../../src/server/index.js'
import { openStore } from '../../src/store/open.js'
import { KEK } from '../support/authority-bench.js'
import { serveFile } from '../support/file-server.js'
import { exchange, pull } from '../support/mint-load.js'
import { makePostgresSchema } from '../support/postgres-schema.js'
import { makeDirectory } from '../support/run-cli.js'
import { startTestServer } from '../support/running-server.js'

const READY = { status: 'ready', checks: { store: 'ok', keys: 'ok', lease: 'ok', log: 'ok' } }

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const server of open.splice(0)) await server.close()
})

async function serveOnDisk() {
  const server = await serveFile(await makeDirectory())
  open.push(server)
  return server
}

const ask = (url: string, path: string) => fetch(`${url}${path}`)

/** Asks until the status is the expected one, and returns what is said then. */
async function untilReadiness(url: string, status: number): Promise<unknown> {
  for (;;) {
    const reply = await ask(url, '/readyz')
    const body = await reply.json()
    if (reply.status === status) return body
  }
}

describe('a server that can do its work', () => {
  test('is alive and ready, by whatever name a balancer asks', async () => {
    const server = await startTestServer()
    open.push(server)
    const headers = { host: '10.1.2.3:7468' }
    expect(await server.call('GET', '/healthz', { headers })).toMatchObject({
      status: 200,
      json: { status: 'alive' },
      headers: { 'cache-control': 'no-store' },
    })
    expect(await server.call('GET', '/readyz', { headers })).toMatchObject({ status: 200, json: READY })
    expect((await server.call('GET', '/oauth/jwks', { headers })).status).toBe(421)
  })

  test('leaves no record of that, and says how it is about once a second at most', async () => {
    let writes = 0
    let now = 0
    let unsignedMs = 0
    const store = await openStore(':memory:')
    open.push(store)
    const readiness = createReadiness({
      store: {
        write(work) {
          writes++
          return store.write(work)
        },
      },
      keyring: { active: {} as never },
      replica: undefined,
      sealing: {
        assertTimely(withinMs) {
          if (unsignedMs > withinMs) throw new AuthsecError('temporarily_unavailable', 'not signed')
        },
      },
      bootId: 'boot',
      readTime: () => now,
    })
    const fine = { store: undefined, keys: undefined, lease: undefined, log: undefined }
    expect(await Promise.all([1, 2, 3].map(() => readiness.check()))).toEqual([fine, fine, fine])
    // Whoever came while one was under way shared the next.
    expect(writes).toBe(2)
    await readiness.check()
    expect(writes).toBe(2)
    now = 1_000
    expect(await readiness.check()).toEqual(fine)
    expect(writes).toBe(3)
    expect(await store.audit.head()).toBe(-1)
    unsignedMs = 10_001
    expect(await readiness.check()).toEqual({ ...fine, log: 'not signed' })
  })
})

describe('a server whose disk', () => {
  test('fails is alive and not ready, and ready again without a restart', async () => {
    const { url, disk, store } = await serveOnDisk()
    expect(await untilReadiness(url, 200)).toEqual(READY)
    disk.isBroken = true
    expect(await untilReadiness(url, 503)).toEqual({
      status: 'unavailable',
      checks: { ...READY.checks, store: 'the store cannot be read or written right now' },
    })
    expect((await ask(url, '/healthz')).status).toBe(200)
    disk.isBroken = false
    expect(await untilReadiness(url, 200)).toEqual(READY)
    await store.write(({ settings }) => settings.insert({ name: 'after', value: 'here' }))
  })
})

describe('one of several servers', () => {
  const BUMP = `update settings set value = (value::int + 1)::text where name = 'key_revision'`

  test.each<{ what: string; spoil: string[]; mend: string[] }>([
    {
      what: 'under which the key-encryption key was exchanged',
      spoil: [`update settings set value = 'x' || value where name = 'kek_check'`],
      mend: [`update settings set value = substr(value, 2) where name = 'kek_check'`],
    },
    {
      what: 'whose keys cannot be loaded any more',
      spoil: [`update keys set state = 'asleep' where purpose = 'call' and state = 'active'`, BUMP],
      mend: [`update keys set state = 'active' where state = 'asleep'`, BUMP],
    },
  ])(
    '$what is not ready for want of keys and lease, shows and signs nothing, and goes on by itself',
    async ({ spoil, mend }) => {
      const schema = await makePostgresSchema()
      onTestFinished(() => schema.drop())
      const surprises: unknown[] = []
      const server = await startServer({
        store: schema.url,
        allowDevPostgres: true,
        kek: KEK,
        keys: { import: inject('serverKeys') },
        port: 0,
        replicaTimings: { leaseSeconds: 8 },
        onSurprise: (error) => surprises.push(error),
      })
      onTestFinished(() => server.close())
      const { url, clientId } = server
      const token = await pull(url, clientId)
      const probe = async () => [
        (await ask(url, '/oauth/jwks')).status,
        (await exchange(url, clientId, token)).status,
      ]
      const run = async (statements: string[]) => {
        for (const statement of statements) await schema.run(statement)
      }
      expect(await untilReadiness(url, 200)).toEqual(READY)
      await run(spoil)
      const lost = 'this server has lost touch with the others'
      expect(await untilReadiness(url, 503)).toEqual({
        status: 'unavailable',
        checks: { store: 'ok', keys: lost, lease: lost, log: 'ok' },
      })
      expect(await probe()).toEqual([503, 503])
      expect((await ask(url, '/healthz')).status).toBe(200)
      await run(mend)
      expect(await untilReadiness(url, 200)).toEqual(READY)
      expect(await probe()).toEqual([200, 200])
      expect(surprises.length).toBeGreaterThan(0)
      for (const surprise of surprises) expect(surprise).toMatchObject({ code: 'state_unreadable' })
    },
  )
})

describe('a server that is asked to stop', () => {
  test('sends everybody elsewhere and goes on answering until its time is over', async () => {
    const server = await startServer({ state: ':memory:', port: 0, drainSeconds: 1 })
    const closing = server.close()
    const reply = await ask(server.url, '/readyz')
    expect([reply.status, await reply.json()]).toEqual([503, { status: 'stopping' }])
    expect((await ask(server.url, '/healthz')).status).toBe(200)
    const pull = `/uflow/sdk/delegation-token?client_id=${server.clientId}`
    expect((await ask(server.url, pull)).status).toBe(200)
    await closing
    await expect(ask(server.url, '/healthz')).rejects.toThrow('fetch failed')
  })

  test('answers what is under way, however long that takes, and nobody new', async () => {
    const { url, store, close } = await serveOnDisk()
    let release = () => {}
    const held = store.write(
      () =>
        new Promise<void>((resolve) => {
          release = resolve
        }),
    )
    // It waits behind what is held; the server has it once another request is answered.
    const underWay = ask(url, '/readyz')
    await ask(url, '/healthz')
    const closing = close()
    while (await canConnect(url)) await new Promise((resolve) => setImmediate(resolve))
    release()
    await held
    expect((await underWay).status).toBe(200)
    await closing
  })
})

function canConnect(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname)
    socket.on('connect', () => resolve(socket.destroy() !== undefined))
    socket.on('error', () => resolve(false))
  })
}
