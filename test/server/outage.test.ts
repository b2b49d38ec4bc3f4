import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { startServer } from '../../src/server/index.js'
import { openStore } from '../../src/store/open.js'
import { KEK } from '../support/authority-bench.js'
import { serveFile } from '../support/file-server.js'
import { expectRecorded, startMinting } from '../support/mint-load.js'
import { type PostgresCluster, startPostgresCluster } from '../support/postgres-cluster.js'
import { makePostgresSchema, type PostgresSchema } from '../support/postgres-schema.js'
import { makeDirectory } from '../support/run-cli.js'
import { exchangeForm } from '../support/running-server.js'

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const server of open.splice(0)) await server.close()
})

/** Asks until the server says so of itself. */
async function untilReadiness(url: string, status: number): Promise<void> {
  while ((await fetch(`${url}/readyz`)).status !== status) await new Promise((go) => setTimeout(go, 20))
}

describe('a server that issues tokens while its disk', () => {
  test.each(['is full', 'fails'] as const)(
    '%s answers 503 and no token, and goes on by itself with a log that is whole',
    async (what) => {
      const server = await serveFile(await makeDirectory())
      open.push(server)
      const { url, clientId, disk, store, authority } = server
      const spoil = async (isSpoilt: boolean) => {
        if (what === 'is full') await disk.fill(isSpoilt)
        else disk.isBroken = isSpoilt
      }
      const load = await startMinting([url], clientId)
      await load.issued(20)
      await spoil(true)
      await load.turnedAway(20)
      const before = load.tokens.length
      await load.turnedAway(20)
      expect(load.tokens.length).toBe(before)
      expect((await fetch(`${url}/healthz`)).status).toBe(200)
      await spoil(false)
      await load.issued(20)
      await untilReadiness(url, 200)
      await load.stop()
      await authority.sealing.seal()
      await expectRecorded(store, load.tokens)
    },
  )
})

describe('a server that issues tokens while its database', () => {
  let cluster: PostgresCluster
  let schema: PostgresSchema
  beforeAll(async () => {
    cluster = await startPostgresCluster()
    schema = await makePostgresSchema(cluster.url)
  })
  afterAll(async () => {
    await schema?.end()
    await cluster?.remove()
  })

  test('is away answers 503 and no token, and goes on by itself with a log that is whole', async () => {
    const place = { store: schema.url, allowDevPostgres: true, kek: KEK }
    const surprises: unknown[] = []
    const onSurprise = (error: unknown) => surprises.push(error)
    const server = await startServer({ ...place, port: 0, onSurprise })
    open.push(server)
    const load = await startMinting([server.url], server.clientId)
    await load.issued(20)
    await cluster.stop('at once')
    await load.turnedAway(20)
    const before = load.tokens.length
    await untilReadiness(server.url, 503)
    expect(load.tokens.length).toBe(before)
    expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
    // Whoever asks is told nothing of where the database is and who logs in there; whoever runs the server is.
    const { url, clientId, adminToken } = server
    const admin = { authorization: `Bearer ${adminToken}` }
    const answers = [
      await fetch(`${url}/readyz`),
      await fetch(`${url}/authsec/uflow/sdk/delegation-token?client_id=${clientId}`),
      await fetch(`${url}/oauth/token`, {
        method: 'POST',
        body: new URLSearchParams(exchangeForm(clientId)),
      }),
      await fetch(`${url}/admin/keys`, { headers: admin }),
    ]
    const { port } = new URL(schema.url)
    for (const answer of answers) {
      expect(answer.status).toBe(503)
      const text = await answer.text()
      expect(text).toContain('cannot be read or written right now')
      expect(text).not.toMatch(new RegExp(`postgres|127\\.0\\.0\\.1|${port}`, 'i'))
    }
    expect(surprises).toContainEqual(
      expect.objectContaining({
        message: 'the store cannot be read or written right now',
        cause: expect.objectContaining({ message: expect.stringContaining(`127.0.0.1:${port}/postgres`) }),
      }),
    )
    await cluster.start()
    await load.issued(20)
    await untilReadiness(server.url, 200)
    await load.stop()
    const store = await openStore(schema.url)
    open.push(store)
    await expectRecorded(store, load.tokens)
  })
})
