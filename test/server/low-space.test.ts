import { afterEach, describe, expect, inject, test } from 'vitest'
import { parseJwt } from '../../src/core/jwt.js'
import { startServer } from '../../src/server/index.js'
import { type FileServer, serveFile } from '../support/file-server.js'
import { exchange, pull } from '../support/mint-load.js'
import { makeDirectory } from '../support/run-cli.js'
import { canMakeDisks, makeSmallDisk } from '../support/small-disk.js'

const MEBI = 2 ** 20
const SHORTAGE = 'less than 5 % of the disk that holds the state is free: no token is issued'

const open: { close(): Promise<void> }[] = []
afterEach(async () => {
  for (const server of open.splice(0)) await server.close()
})

async function listDenied({ authority }: FileServer) {
  const filter = [{ field: 'outcome', operator: '=', value: 'deny' }] as const
  return (await authority.audit.search({ filter, limit: 100 })).map(({ event }) => event)
}

describe('a server whose disk has little room', () => {
  test('counts refusals without recording them one by one, and records them again when it has more', async () => {
    const server = await serveFile(await makeDirectory())
    open.push(server)
    const { url, clientId, disk, authority } = server
    const refuse = () => exchange(url, clientId, 'no token')
    await disk.leave(14)
    for (let time = 0; time < 3; time++) expect((await refuse()).status).toBe(400)
    expect(await listDenied(server)).toEqual([])
    expect((await exchange(url, clientId, await pull(url, clientId))).status).toBe(200)
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
    await disk.leave(16)
    await refuse()
    await authority.audit.flushRefusals()
    expect((await listDenied(server)).map(({ type, details }) => [type, details?.['count']])).toEqual([
      ['token.exchanged', undefined],
      ['denied.summary', 3],
    ])
  })

  test('stops issuing when it is nearly full, lets people log in and revoke, and goes on by itself', async () => {
    const server = await serveFile(await makeDirectory())
    open.push(server)
    const { url, clientId, disk, authority, store } = server
    const token = await pull(url, clientId)
    const issued = await exchange(url, clientId, token)
    await disk.leave(4)
    const { status, body, headers } = await exchange(url, clientId, token)
    expect([status, headers.get('retry-after'), body]).toEqual([
      503,
      '1',
      expect.objectContaining({ error: 'temporarily_unavailable' }),
    ])
    expect(body.error_description).toContain(SHORTAGE)
    expect(body.access_token).toBe(undefined)
    const ready = await fetch(`${url}/readyz`)
    expect([ready.status, await ready.json()]).toEqual([
      503,
      { status: 'unavailable', checks: { store: SHORTAGE, keys: 'ok', lease: 'ok', log: 'ok' } },
    ])
    const admin = await store.users.findByEmail('admin@authsec.test')
    if (admin === undefined) throw new Error('the seed has no admin')
    const authorization = `Bearer ${await authority.sessions.start(admin)}`
    const revoked = await fetch(`${url}/admin/tokens/revoke`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify({ jti: parseJwt(issued.body.access_token ?? '').claims['jti'] }),
    })
    expect(revoked.status).toBe(200)

    await disk.leave(50)
    expect((await exchange(url, clientId, token)).status).toBe(200)
    expect((await fetch(`${url}/readyz`)).status).toBe(200)
  })
})

describe.skipIf(!canMakeDisks)('a small disk', () => {
  test('is noticed when it is nearly full, and when it is not any more', async () => {
    const disk = makeSmallDisk(16 * MEBI)
    const surprises: unknown[] = []
    const server = await startServer({
      state: disk.state,
      port: 0,
      keys: { import: inject('serverKeys') },
      onSurprise: (error) => surprises.push(error),
    })
    open.push(server)
    const { url, clientId } = server
    const token = await pull(url, clientId)
    const untilReadiness = async (status: number) => {
      while ((await fetch(`${url}/readyz`)).status !== status);
    }
    disk.leave(0.04 * 16 * MEBI)
    await untilReadiness(503)
    expect((await exchange(url, clientId, token)).status).toBe(503)
    disk.leave(8 * MEBI)
    await untilReadiness(200)
    expect((await exchange(url, clientId, token)).status).toBe(200)
    expect(surprises).toEqual([expect.objectContaining({ message: SHORTAGE })])
  })
})
