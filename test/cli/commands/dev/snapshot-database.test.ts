import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { initServer, type RunningServer, startServer } from '../../../../src/server/index.js'
import { saveSnapshot } from '../../../../src/server/snapshot.js'
import { hashState } from '../../../support/held-state.js'
import { exchange, pull, startMinting } from '../../../support/mint-load.js'
import { makePostgresSchema } from '../../../support/postgres-schema.js'
import { makeDirectory, runCli } from '../../../support/run-cli.js'

const KEK = new Uint8Array(32).fill(9)
const ADMIN = { email: 'root@team.example', password: 'correct horse battery' }

const serve = (place: { store: string } | { state: string }) =>
  startServer({ ...place, kek: KEK, port: 0, allowDevPostgres: true })

test('a snapshot of a database under load goes into a directory, and back into the database once no server runs', async () => {
  const directory = await makeDirectory()
  const [file, state, kekFile, storeFile] = ['team.jsonl', 'state', 'kek', 'store'].map((name) =>
    join(directory, name),
  ) as [string, string, string, string]
  const schema = await makePostgresSchema()
  await writeFile(kekFile, Buffer.from(KEK).toString('base64'), { mode: 0o600 })
  await writeFile(storeFile, schema.url, { mode: 0o600 })
  const inDatabase = ['--store-file', storeFile, '--kek-file', kekFile]
  const snapshot = (...args: string[]) => runCli(['dev', 'snapshot', ...args], { clock: { now: Date.now } })
  const load = (...args: string[]) => snapshot('load', file, '--old-log', join(directory, 'old'), ...args)

  const server = await serve({ store: schema.url })
  const { tenantId, clientId } = server
  const minting = await startMinting([server.url], clientId, { callers: 4 })
  await minting.issued(4)
  expect(await snapshot('save', file, '--clone', ...inDatabase)).toMatchObject({ code: 0, stderr: '' })
  await minting.issued(4)
  await minting.stop()
  expect(minting.refused).toBe(0)
  expect(await load(...inDatabase, '--confirm', tenantId)).toMatchObject({
    code: 7,
    stderr: expect.stringContaining('a server runs on this state'),
  })
  const [token = ''] = minting.tokens
  await server.close()

  expect(await load('--state', state, '--kek-file', kekFile)).toMatchObject({ code: 0 })
  const inDirectory = await serve({ state })
  expect(await mint(inDirectory)).toBe(200)
  await inDirectory.close()

  const back = await snapshot(
    ...['load', file, ...inDatabase, '--confirm', tenantId, '--old-log', join(directory, 'older'), '--json'],
  )
  expect([back.code, back.stderr]).toEqual([0, ''])
  const again = await serve({ store: schema.url })
  expect(await mint(again)).toBe(200)
  const keys = (await (await fetch(`${again.url}/oauth/jwks`)).json()) as { keys: { kid: string }[] }
  const [header = ''] = token.split('.')
  expect(keys.keys.map(({ kid }) => kid)).toContain(
    JSON.parse(Buffer.from(header, 'base64url').toString()).kid,
  )
  await again.close()
  await schema.drop()
})

test('goes into the place of a team only with the mark of its servers', async () => {
  const directory = await makeDirectory()
  const [state, file, kekFile, mark] = ['state', 'team.jsonl', 'kek', 'mark'].map((name) =>
    join(directory, name),
  ) as [string, string, string, string]
  await writeFile(kekFile, Buffer.from(KEK).toString('base64'), { mode: 0o600 })
  const { tenantId } = await initServer({ state, kek: KEK, issuer: 'https://authsec.example', admin: ADMIN })
  const place = ['--state', state, '--kek-file', kekFile]
  expect(await runCli(['dev', 'snapshot', 'save', file, ...place])).toMatchObject({ code: 0 })
  const before = await hashState(state)
  const load = ['dev', 'snapshot', 'load', file, ...place, '--confirm', tenantId]
  expect(await runCli(load)).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/no high-water mark is named, .*\nhint: .*--audit-high-water/),
  })
  expect(await hashState(state)).toEqual(before)
  expect(await runCli([...load, '--audit-high-water', mark])).toMatchObject({ code: 0 })
})

test('a command that has a database to itself counts as a server for seconds only, and as none at its end', async () => {
  const schema = await makePostgresSchema()
  await initServer({ store: schema.url, kek: KEK, issuer: 'https://authsec.example', admin: ADMIN })
  const leases: number[] = []
  await saveSnapshot({ store: schema.url, kek: KEK, clone: false }, async () => {
    const now = 'extract(epoch from clock_timestamp()) * 1000'
    const rows = await schema.run(`select (lease_until - ${now})::float8 as left from replicas`)
    leases.push(...rows.map(({ left }) => Number(left)))
  })
  expect(leases.length).toBeGreaterThan(0)
  // A server that is killed counts as one for half a minute, because others wait for it.
  expect(Math.max(...leases)).toBeLessThanOrEqual(8_000)
  expect(await schema.run('select * from replicas')).toEqual([])
  await schema.drop()
})

async function mint({ url, clientId }: RunningServer): Promise<number> {
  return (await exchange(url, clientId, await pull(url, clientId))).status
}
